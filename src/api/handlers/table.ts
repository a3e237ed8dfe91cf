/** All handlers by route; the type makes sure that none is missing. */
import { type RouteName } from "../contract/routes.ts";
import { type Handlers } from "../handler.ts";
import { clusterHandlers } from "./cluster.ts";
import { configHandlers } from "./config.ts";
import { eventHandlers } from "./events.ts";
import { jobHandlers } from "./jobs.ts";
import { keyHandlers } from "./keys.ts";
import { lineageHandlers } from "./lineage.ts";
import { logHandlers } from "./logs.ts";
import { nodeHandlers } from "./nodes.ts";
import { tokenHandlers } from "./tokens.ts";
import { userEventHandlers } from "./user-events.ts";
import { variableHandlers } from "./variables.ts";
import { whyHandlers } from "./why.ts";

/** These two answer with documents of the server itself. */
export type DocumentRoute = "getMetrics" | "getOpenapi";

export const handlers: Handlers<Exclude<RouteName, DocumentRoute>> = {
  ...clusterHandlers,
  ...configHandlers,
  ...eventHandlers,
  ...jobHandlers,
  ...keyHandlers,
  ...lineageHandlers,
  ...logHandlers,
  ...nodeHandlers,
  ...tokenHandlers,
  ...userEventHandlers,
  ...variableHandlers,
  ...whyHandlers,
};
