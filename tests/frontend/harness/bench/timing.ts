/** Milliseconds by name, one number a repetition. */
export type Times = Record<string, number[]>;

const WARM_UP = 3;
const REST_MS = 30;

/** The clock has steps of 0.1 ms: what is quick is done this often for one number. */
export const OFTEN = 20;

/**
 * Runs the tasks in turn, so that a slow moment of the machine meets all of them, and rests before
 * each, so that none pays for what the one before it left to the garbage collector.
 */
export async function inTurn(
  tasks: Record<string, () => unknown>,
  repetitions: number,
): Promise<Times> {
  const times: Times = Object.fromEntries(Object.keys(tasks).map((name) => [name, []]));
  for (let repetition = -WARM_UP; repetition < repetitions; repetition++) {
    for (const [name, task] of Object.entries(tasks)) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      const start = performance.now();
      await task();
      if (repetition >= 0) times[name]!.push(performance.now() - start);
    }
  }
  return times;
}

/** The times of tasks that did the same thing `count` times, for one of them. */
export function perOne(times: Times, count: number): Times {
  const shares = Object.entries(times).map(([name, values]) => [
    name,
    values.map((value) => value / count),
  ]);
  return Object.fromEntries(shares);
}

export const often = (task: () => void) => (): void => {
  for (let time = 0; time < OFTEN; time++) task();
};

/** Waits until the GPU has done all that it was asked. */
export function finish(gl: WebGL2RenderingContext): void {
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
}

export const fetched = async (name: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(`/objects/${name}`)).arrayBuffer());
