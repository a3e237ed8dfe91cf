/** Runs tasks strictly one after another. One that waits for none begins at once, before `run` returns. */
export class TaskQueue {
  /** Of the last task; never rejects. */
  #end: Promise<unknown> = Promise.resolve();
  #unfinished = 0;

  run<T>(task: () => Promise<T>): Promise<T> {
    this.#unfinished += 1;
    const result = this.#unfinished === 1 ? task() : this.#end.then(task);
    const finished = (): void => {
      this.#unfinished -= 1;
    };
    this.#end = result.then(finished, finished);
    return result;
  }
}
