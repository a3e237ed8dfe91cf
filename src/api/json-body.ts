/**
 * Request bodies: JSON, at most 1 MiB and not too deep, with finite numbers and without keys that change prototypes. An
 * empty body is none.
 * Reading itself is Fastify's, which stops at the limit.
 */
import { type FastifyInstance } from "fastify";
import { hasFiniteNumbers } from "../base/json.ts";
import { ApiError } from "./problems.ts";

const deepest = 64;
const outOfRange =
  "The body has a number that is out of range: at most 1.7976931348623157e308 either way; send it as a text";
const codes = {
  backslash: 0x5c,
  quote: 0x22,
  openBrace: 0x7b,
  closeBrace: 0x7d,
  openBracket: 0x5b,
  closeBracket: 0x5d,
} as const;

export function readJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>(
    ["application/json", "application/merge-patch+json"],
    { parseAs: "string" },
    (request, text, done) => {
      const type = request.headers["content-type"] ?? "";
      if (request.method !== "PATCH" && type.includes("merge-patch")) {
        const message = `The body of a ${request.method} must be application/json`;
        done(new ApiError("UNSUPPORTED_MEDIA_TYPE", message));
        return;
      }
      if (text === "") {
        done(null, undefined);
        return;
      }
      if (isDeep(text)) {
        done(new ApiError("MALFORMED_JSON", `The body is nested deeper than ${deepest} levels`));
        return;
      }
      void parse(request, text, (error, body: unknown) => {
        if (error !== null) done(malformed(error, text));
        else if (hasFiniteNumbers(body)) done(null, body);
        else done(new ApiError("MALFORMED_JSON", outOfRange));
      });
    },
  );
}

function malformed(error: Error, text: string): ApiError {
  if (isJson(text)) {
    // What a strict parser refuses in JSON that is well-formed are keys that change prototypes.
    const message = 'The body has a key "__proto__" or "constructor", which nothing can be named';
    return new ApiError("MALFORMED_JSON", message, {}, { cause: error });
  }
  const reason = error.cause instanceof Error ? error.cause.message : error.message;
  return new ApiError("MALFORMED_JSON", `The body is not JSON: ${reason}`, {}, { cause: error });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Counts brackets outside of texts, before a parser or anything after it has to recurse. */
function isDeep(text: string): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inText) {
      if (code === codes.backslash) at += 1;
      else if (code === codes.quote) inText = false;
    } else if (code === codes.quote) inText = true;
    else if (code === codes.openBrace || code === codes.openBracket) {
      depth += 1;
      if (depth > deepest) return true;
    } else if (code === codes.closeBrace || code === codes.closeBracket) depth -= 1;
  }
  return false;
}
