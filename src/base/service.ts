/**
 * One lifecycle for everything that runs. `start` resolves when the service works; `stop` releases all it
 * holds, is idempotent, and never throws for a service that was not started.
 */
export interface Service {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts services in order. When one fails, those already started are stopped in reverse, and the failure is
 * rethrown. Returns the function that stops all, in reverse; a service that fails to stop does not keep the
 * others from stopping, and the first failure is rethrown at the end.
 */
export async function startAll(
  services: readonly Service[],
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const started: Service[] = [];
  const stopAll = async (): Promise<void> => {
    let failure: unknown;
    for (let service = started.pop(); service !== undefined; service = started.pop()) {
      try {
        await service.stop();
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure as Error;
  };
  for (const service of services) {
    try {
      signal.throwIfAborted();
      started.push(service);
      await service.start(signal);
    } catch (error) {
      await stopAll().catch(() => {
        // The start failure is the cause to report; what stopping adds is a consequence of it.
      });
      throw error;
    }
  }
  return stopAll;
}
