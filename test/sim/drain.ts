/**
 * Promises in a simulation. All of them are settled by simulated events, so between two events every reaction that is
 * due is run to its end, here and now: the order of everything is that of the event queue, and the first-in first-out
 * order of the microtask queue. A trip through the event loop would do the same at ten times the cost.
 */
import process from "node:process";

/**
 * Runs all microtasks that are due. `process._tickCallback` is what Node calls when a callback returns; it does nothing
 * when a microtask is already running, hence `onMacrotask`.
 */
export const drainMicrotasks: () => void = (
  process as unknown as { readonly _tickCallback: () => void }
)._tickCallback;

/** Runs `body` outside of any microtask, where `drainMicrotasks` works, and gives its result. */
export function onMacrotask<T>(body: () => T): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    setImmediate(() => {
      try {
        requireDrain();
        resolve(body());
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

function requireDrain(): void {
  let drained = false;
  void Promise.resolve().then(() => {
    drained = true;
  });
  drainMicrotasks();
  if (!drained) throw new Error("this Node.js does not run microtasks on demand");
}
