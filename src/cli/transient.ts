/** Codes that pass by themselves: the agent restarts, the cluster elects. Who waits goes on waiting. */
export const transient = [
  "NO_AGENT",
  "CONNECTION_LOST",
  "GAVE_UP",
  "NO_LEADER",
  "NOT_READY",
  "BUSY",
  "STOPPED",
] as const;
