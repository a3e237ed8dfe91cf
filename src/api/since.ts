/** Where a stream begins, as callers write it: an RFC 3339 time, or a duration back from now. */
import { parseDuration } from "../base/duration.ts";

const rfc3339Pattern = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds since the epoch, or null when the text is neither. */
export function parseSinceTime(text: string, nowMs: number): number | null {
  if (rfc3339Pattern.test(text)) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? null : at;
  }
  const back = parseDuration(text);
  return back === null ? null : nowMs - back;
}
