import { ApiError } from "@/sync/api";

/** Do what the server is asked for; what it refuses is told to the person. */
export async function attempt(
  room: { tell(words: string, isBad?: boolean): void },
  action: () => Promise<void>,
): Promise<void> {
  try {
    await action();
  } catch (error) {
    room.tell(error instanceof ApiError ? error.message : String(error), true);
  }
}
