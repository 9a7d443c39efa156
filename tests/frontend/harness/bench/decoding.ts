import { fetched, type Times } from "./timing";

/** The object `sweep` decoded in a worker, without the way there and back. */
export async function decoding(repetitions: number): Promise<Times> {
  const worker = new Worker(new URL("./decoding.worker.ts", import.meta.url), { type: "module" });
  const sweep = await fetched("sweep_0_0");
  const times = await new Promise<Times>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ sweep, repetitions });
  });
  worker.terminate();
  return times;
}
