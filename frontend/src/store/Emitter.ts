/** Tells listeners that something is now different. */
export class Emitter<T> {
  private readonly listeners = new Set<(value: T) => void>();

  /** Returns the way to stop listening. */
  on(listener: (value: T) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  emit(value: T): void {
    // A copy: a listener may stop listening while it is told.
    for (const listener of [...this.listeners]) listener(value);
  }
}
