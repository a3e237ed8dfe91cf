/** Which agent to ask: a URL with a token, or the unix socket of an agent on this machine. */
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { ApiClient } from "../api/client.ts";
import { type Target } from "../api/client/target.ts";
import { systemClock } from "../base/clock.ts";
import { parseDuration } from "../base/duration.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type CliContext } from "./context.ts";

/** Flag > environment > the data directory's socket. @throws AgentError USAGE. */
export function connect(context: CliContext): ApiClient {
  const timeout = option(context, "request-timeout", "requestTimeout");
  const timeoutMs = timeout === null ? 30_000 : parseDuration(timeout);
  if (timeoutMs === null) {
    throw usage(`Cannot use --request-timeout "${timeout ?? ""}": expected a duration such as 30s`);
  }
  return new ApiClient({ target: findTarget(context), timeoutMs }, { clock: systemClock });
}

function findTarget(context: CliContext): Target {
  const url = option(context, "api-url", "apiUrl");
  if (url !== null) {
    const caFile = option(context, "api-ca", "apiCa");
    return {
      kind: "url",
      url: parseUrl(url),
      token: readToken(context),
      ca: caFile === null ? null : readText(caFile, "--api-ca"),
    };
  }
  const socket = option(context, "api-socket", "apiSocket");
  if (socket !== null) return { kind: "socket", path: path.resolve(socket) };
  const dataDir = option(context, "data-dir", "dataDir") ?? defaultDataDir(context);
  return { kind: "socket", path: path.join(path.resolve(dataDir), "api.sock") };
}

function option(context: CliContext, flag: string, key: string): string | null {
  const given = context.globalFlags()[key];
  if (typeof given === "string") return given;
  const variable = context.env[`MUSTER_${flag.toUpperCase().replaceAll("-", "_")}`];
  return variable === undefined || variable === "" ? null : variable;
}

/** A token is a secret: it comes from a file or the environment, never from the command line. */
function readToken(context: CliContext): string | null {
  const file = option(context, "api-token-file", "apiTokenFile");
  if (file !== null) return readText(file, "--api-token-file").trim();
  const variable = context.env["MUSTER_API_TOKEN"];
  return variable === undefined || variable === "" ? null : variable.trim();
}

function readText(file: string, flag: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw usage(`Cannot read ${flag} "${file}": ${errorMessage(error)}`);
  }
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw usage(`Cannot use --api-url "${text}": expected http://HOST:PORT or https://HOST:PORT`);
}

function defaultDataDir(context: CliContext): string {
  if (process.getuid?.() === 0) return "/var/lib/muster";
  const home = context.env["HOME"] ?? os.homedir();
  return path.join(context.env["XDG_DATA_HOME"] ?? path.join(home, ".local/share"), "muster");
}

export function usage(message: string): AgentError<"USAGE"> {
  return new AgentError("USAGE", message);
}
