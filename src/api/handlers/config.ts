/** The configuration repository: where it is, and fetching it anew. */
import { type InventoryView } from "../../inventory/view.ts";
import { type Config } from "../contract/config.ts";
import { expectation, type Handlers, type Reply, write } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { toConfig } from "../views/config.ts";
import { maskUrls } from "../views/secrets.ts";
import { waitFor } from "../waiting.ts";

/** A refresh that takes longer answers 202 with the state so far; the fetch goes on. */
const refreshWaitMs = 25_000;

export const configHandlers: Handlers<"getConfig" | "putConfigSource" | "refreshConfig"> = {
  getConfig: (_, { view }) => configReply(view),

  putConfigSource: async (request, context) => {
    const { url, ref = null } = request.body;
    const current = context.view.config().source;
    if (current !== null && url === maskUrls(current.url) && url !== current.url) {
      const message = "The URL holds a masked password (***); give the real one";
      throw new ApiError("INVALID", message, { problems: [{ field: "url", message }] });
    }
    const source = { url, ref };
    await write(context, request, { type: "config.source", source, ...expectation(request) });
    return configReply(context.view);
  },

  refreshConfig: async (request, context) => {
    await write(context, request, { type: "config.refresh" });
    const wanted = context.view.config().refreshRequested;
    const ended = (): boolean => context.view.config().refreshDone >= wanted;
    const patience = { timeoutMs: refreshWaitMs, signal: request.signal };
    const done = await waitFor(context, ended, patience);
    return { ...configReply(context.view), status: done ? 200 : 202 };
  },
};

function configReply(view: InventoryView): Reply<Config> {
  const value = toConfig(view);
  return { value, version: value.version };
}
