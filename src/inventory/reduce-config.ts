/** The configuration source and the revisions fetched from it. The last good revision stays in force. */
import { type Json, canonicalJson } from "../base/json.ts";
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { type Handlers, type Outcome, done, invalid, refuse, versionRefusal } from "./outcome.ts";
import { checkJson, checkNames, checkPattern, checkText, cut } from "./names.ts";
import { limits } from "./limits.ts";
import { trimRevisions } from "./revisions.ts";

type Fetched = CommandOf<"config.fetched">;
type Good = Extract<Fetched["result"], { readonly ok: true }>;
type Bad = Extract<Fetched["result"], { readonly ok: false }>;

export const configHandlers: Handlers<
  Extract<CommandType, "config.source" | "config.refresh" | "config.fetched">
> = {
  "config.source": setSource,
  "config.refresh": refresh,
  "config.fetched": fetched,
};

function setSource(draft: Draft, { source, ifVersion }: CommandOf<"config.source">): Outcome {
  const config = draft.view.config();
  const stale = versionRefusal("the configuration source", ifVersion, config.version);
  if (stale !== null) return stale;
  const problem =
    (source.url.trim() === "" ? "its URL is empty" : null) ??
    checkText("its URL", source.url, limits.urlLength) ??
    checkText("its ref", source.ref ?? "", limits.nameLength);
  if (problem !== null) return invalid("set the configuration source", problem);
  const { url, ref } = source;
  const refreshRequested = config.refreshRequested + 1;
  draft.put("config", "", {
    ...config,
    source: { url, ref },
    sourceVersion: draft.index,
    refreshRequested,
    lastError: null,
  });
  const text = ref === null ? url : `${url}#${ref}`;
  draft.emit("config.source", "config", `Configuration comes from ${text}`, { url, ref });
  return done({ request: refreshRequested, version: draft.index });
}

function refresh(draft: Draft): Outcome {
  const config = draft.view.config();
  if (config.source === null) {
    return refuse("CONFLICT", "Cannot refresh: no configuration source is set");
  }
  const refreshRequested = config.refreshRequested + 1;
  draft.put("config", "", { ...config, refreshRequested });
  draft.emit("config.refresh", "config", "Refresh of the configuration asked for", {
    request: refreshRequested,
  });
  return done({ request: refreshRequested, version: draft.index });
}

function fetched(draft: Draft, command: Fetched): Outcome {
  const { request, source, result } = command;
  const config = draft.view.config();
  if (canonicalJson(config.source) !== canonicalJson({ url: source.url, ref: source.ref })) {
    return refuse("CONFLICT", `Fetched from "${source.url}", but the source has changed meanwhile`);
  }
  if (request > config.refreshRequested) {
    return invalid("take the revision", `request ${request} was never made`);
  }
  const refreshDone = Math.max(config.refreshDone, request);
  return result.ok ? accept(draft, result, refreshDone) : reject(draft, result, refreshDone);
}

function accept(draft: Draft, result: Good, refreshDone: number): Outcome {
  const { commit, bundle, bundleBytes, manifest, by } = result;
  const problem =
    checkPattern("commit", commit, /^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$/) ??
    checkPattern("bundle", bundle, /^[0-9a-f]{64}$/) ??
    checkNames("role", Object.keys(manifest.roles), limits.manifestRoles) ??
    checkJson("manifest", manifest as unknown as Json, limits.manifestBytes);
  if (problem !== null) return invalid("take the revision", problem);
  const known = draft.view.revision(commit);
  if (known?.bundle !== bundle) {
    const fetchedAt = draft.at;
    draft.put("revision", commit, {
      commit,
      bundle,
      bundleBytes,
      manifest,
      fetchedAt,
      fetchedBy: by,
    });
  }
  const config = draft.view.config();
  draft.put("config", "", { ...config, current: commit, lastError: null, refreshDone });
  const changed = config.current !== commit;
  if (changed) {
    draft.emit("config.revision", "config", `Revision ${commit} is in force`, {
      from: config.current,
      to: commit,
    });
    trimRevisions(draft);
  } else {
    draft.emit("config.fetched", "config", `Revision ${commit} is still in force`, { commit });
  }
  return done({ commit, changed });
}

function reject(draft: Draft, { code, message }: Bad, refreshDone: number): Outcome {
  const config = draft.view.config();
  const error = { code: cut(code, 64), message: cut(message, limits.messageLength), at: draft.at };
  draft.put("config", "", { ...config, lastError: error, refreshDone });
  draft.emit("config.error", "config", `Cannot fetch the configuration: ${error.message}`, {
    code: error.code,
    current: config.current,
  });
  return done({ commit: config.current, changed: false });
}
