/** The configuration repository: where it is, and fetching it anew. */
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext } from "../context.ts";
import { type Config } from "../contract/config.ts";
import { expectation, type Handlers, type Reply, write } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { isRefreshing, toConfig } from "../views/config.ts";
import { maskUrl } from "../views/secrets.ts";
import { waitFor } from "../waiting.ts";

/** A refresh that takes longer answers 202 with the state so far; the fetch goes on. */
const refreshWaitMs = 25_000;

export const configHandlers: Handlers<"getConfig" | "putConfigSource" | "refreshConfig"> = {
  getConfig: (_, { view }) => configReply(view),

  putConfigSource: async (request, context) => {
    const { url, ref = null } = request.body;
    const current = context.view.config().source;
    if (current !== null && url === maskUrl(current.url) && url !== current.url) {
      const message = "The URL holds a masked password (***); give the real one";
      throw new ApiError("INVALID", message, { problems: [{ field: "url", message }] });
    }
    const source = { url, ref };
    await write(context, request, { type: "config.source", source, ...expectation(request) });
    return configReply(context.view);
  },

  refreshConfig: async (request, context) => {
    await write(context, request, { type: "config.refresh" });
    const done = await refreshEnded(context, request.signal);
    return { ...configReply(context.view), status: done ? 200 : 202 };
  },
};

/** True when the refreshes asked for until now have ended, whatever came of them. */
async function refreshEnded(context: ApiContext, signal: AbortSignal): Promise<boolean> {
  const wanted = context.view.config().refreshRequested;
  const ended = (): boolean => {
    const config = context.view.config();
    return config.refreshDone >= wanted || !isRefreshing(config);
  };
  return waitFor(context, ended, { timeoutMs: refreshWaitMs, signal });
}

function configReply(view: InventoryView): Reply<Config> {
  const value = toConfig(view);
  return { value, version: value.version };
}
