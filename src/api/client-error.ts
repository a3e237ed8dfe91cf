/** Answers what is not even HTTP, or does not arrive in time, on the bare socket. */
import { STATUS_CODES } from "node:http";
import { type Socket } from "node:net";
import { errorCode } from "../base/errors.ts";
import { type ApiCode } from "./contract/codes.ts";
import { problemMediaType } from "./contract/problem.ts";
import { problemOf } from "./problems.ts";

const known: Readonly<Record<string, readonly [ApiCode, string]>> = {
  HPE_HEADER_OVERFLOW: ["HEADERS_TOO_LARGE", "The request's headers are larger than 16 KiB"],
  ERR_HTTP_REQUEST_TIMEOUT: ["REQUEST_TIMEOUT", "The request did not arrive in time"],
};

export function clientErrorAnswer(error: Error, socket: Socket): void {
  const code = errorCode(error) ?? "";
  if (code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [problemCode, detail] = known[code] ?? ["INVALID_REQUEST", "This is not an HTTP request"];
  const problem = problemOf(problemCode, detail);
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ""}`,
      `Content-Type: ${problemMediaType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}
