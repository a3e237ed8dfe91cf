/** Structured log lines on stderr (JSON, pino): what journald keeps and an operator greps. */
import { pino } from "pino";
import { type Logger } from "../base/logger.ts";

export function createLogger(level: "debug" | "info" | "warn" | "error"): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, pino.destination({ dest: 2, sync: true }));
}
