/** When the next turn runs: as soon as pending I/O was looked at, or when a simulator says so. */
export interface Scheduler {
  soon(task: () => void): void;
}

export const immediateScheduler: Scheduler = {
  soon: (task) => void setImmediate(task),
};
