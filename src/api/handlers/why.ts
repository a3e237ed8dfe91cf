/** Explanations: what a node or a job waits for. */
import { type Handlers } from "../handler.ts";
import { findJob } from "../views/jobs.ts";
import { whyJob, whyNode } from "../views/why.ts";
import { unknownNode } from "./nodes.ts";

export const whyHandlers: Handlers<"whyNode" | "whyJob"> = {
  whyNode: ({ params }, { view }) => {
    const node = view.node(params.name);
    if (node === null) throw unknownNode(params.name);
    return { value: whyNode(view, node) };
  },

  whyJob: ({ params }, { view }) => ({ value: whyJob(view, findJob(view, params.id)) }),
};
