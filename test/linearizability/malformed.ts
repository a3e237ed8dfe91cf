/** What is wrong with a line, in one sentence. The reader adds the name of the file and the line's number. */
import { AgentError } from "../../src/base/errors.ts";

export function malformed(message: string): AgentError {
  return new AgentError("history.malformed", message);
}

const quotedLength = 80;

export function quote(text: string): string {
  return JSON.stringify(text.length <= quotedLength ? text : `${text.slice(0, quotedLength)}…`);
}
