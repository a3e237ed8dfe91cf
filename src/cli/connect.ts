/** Which agent to ask: a URL with a token, or the unix socket of an agent on this machine. */
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { ApiClient } from "../api/client.ts";
import { type Target } from "../api/client/target.ts";
import { systemClock } from "../base/clock.ts";
import { parseDuration } from "../base/duration.ts";
import { errorMessage } from "../base/errors.ts";
import { type CliContext } from "./context.ts";
import { usage } from "./usage.ts";

/** Any flag > any variable > the data directory's socket. @throws AgentError USAGE. */
export function connect(context: CliContext): ApiClient {
  const timeout = either(context, "request-timeout");
  const timeoutMs = timeout === null ? 30_000 : parseDuration(timeout);
  if (timeoutMs === null || timeoutMs === 0) {
    throw usage(`Cannot use --request-timeout "${timeout ?? ""}": expected a duration such as 30s`);
  }
  const onMode = noteReadOnly(context);
  return new ApiClient({ target: findTarget(context), timeoutMs, onMode }, { clock: systemClock });
}

/** What is shown without a majority may be old: said once, beside the data. */
function noteReadOnly(context: CliContext): (mode: string) => void {
  let isTold = false;
  return (mode) => {
    if (mode !== "read-only" || isTold) return;
    isTold = true;
    context.tell(
      "note: the cluster is read-only (no leader with a majority); this may be out of date",
    );
  };
}

type Read = (context: CliContext, flag: string) => string | null;

/** What was typed names the agent; the environment counts only when nothing was. */
function findTarget(context: CliContext): Target {
  if (fromFlag(context, "api-url") !== null && fromFlag(context, "api-socket") !== null) {
    throw usage("Give --api-url or --api-socket, not both");
  }
  for (const read of [fromFlag, fromEnvironment]) {
    const target = targetFrom(context, read);
    if (target !== null) return target;
  }
  return { kind: "socket", path: path.join(defaultDataDir(context), "api.sock") };
}

function targetFrom(context: CliContext, read: Read): Target | null {
  const url = read(context, "api-url");
  if (url !== null) return urlTarget(context, parseUrl(url));
  const socket = read(context, "api-socket");
  if (socket !== null) return { kind: "socket", path: path.resolve(socket) };
  const dataDir = read(context, "data-dir");
  if (dataDir === null) return null;
  return { kind: "socket", path: path.join(path.resolve(dataDir), "api.sock") };
}

function urlTarget(context: CliContext, url: URL): Target {
  const caFile = either(context, "api-ca");
  const token = readToken(context);
  if (token !== null && url.protocol === "http:" && !isLoopback(url.hostname)) {
    context.tell(`warning: the token goes to ${url.host} unencrypted; use https:// there`);
  }
  return { kind: "url", url, token, ca: caFile === null ? null : readText(caFile, "--api-ca") };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

const fromFlag: Read = (context, flag) => {
  const key = flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const given = context.globalFlags()[key];
  if (given === "") throw usage(`Cannot use --${flag} "": it needs a value`);
  return typeof given === "string" ? given : null;
};

const fromEnvironment: Read = (context, flag) => {
  const variable = context.env[`MUSTER_${flag.toUpperCase().replaceAll("-", "_")}`];
  return variable === undefined || variable === "" ? null : variable;
};

function either(context: CliContext, flag: string): string | null {
  return fromFlag(context, flag) ?? fromEnvironment(context, flag);
}

/** A token is a secret: it comes from a file or the environment, never from the command line. */
function readToken(context: CliContext): string | null {
  const file = either(context, "api-token-file");
  if (file !== null) return readText(file, "--api-token-file").trim();
  return fromEnvironment(context, "api-token")?.trim() ?? null;
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
