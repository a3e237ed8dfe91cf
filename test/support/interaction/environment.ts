/**
 * Plays the directives of a published cluster transcript on our cores, and answers each in the transcript's form.
 * The order of work follows the transcripts: Readies of all, deliveries, writes, applies, until nobody has any.
 */
import { must } from "../../../src/base/assert.ts";
import { type Message, type NodeId } from "../../../src/consensus/core/types.ts";
import { type Directive } from "../datadriven.ts";
import { messageName, messageText } from "./format.ts";
import { electionTicks, newNode, type EnvironmentOptions } from "./new-node.ts";
import { type InteractionNode, type Response } from "./node.ts";
import { processAppend, processApply, processReady } from "./processing.ts";
import { logLines, stateLines, statusLines } from "./pictures.ts";
import { Wire } from "./wire.ts";

export class InteractionEnvironment {
  readonly nodes: InteractionNode[] = [];
  readonly #options: EnvironmentOptions;
  #quiet = false;
  readonly #wire = new Wire();
  #lines: string[] = [];

  constructor(options: EnvironmentOptions) {
    this.#options = options;
  }

  run(directive: Directive): string {
    const handler = this.#handlers.get(directive.command);
    if (handler === undefined) throw new Error(`cannot express "${directive.command}"`);
    this.#lines = [];
    handler(directive);
    for (const node of this.nodes) node.checkPromises();
    const quiet = this.#quiet || directive.args.get("log-level")?.[0] === "none";
    return quiet || this.#lines.length === 0 ? "ok" : this.#lines.join("\n");
  }

  readonly #handlers = new Map<string, (directive: Directive) => void>([
    ["log-level", ({ words }) => (this.#quiet = words[0] === "none")],
    ["add-nodes", (directive) => this.#addNodes(directive)],
    ["campaign", ({ words }) => this.#campaign(this.#node(words[0]))],
    ["propose", ({ words }) => this.#propose(this.#node(words[0]), words[1] ?? "")],
    ["propose-conf-change", ({ words, input }) => this.#promote(this.#node(words[0]), input)],
    ["stabilize", (directive) => this.#stabilize(this.#selected(directive))],
    ["deliver-msgs", (directive) => this.#deliverMessages(directive)],
    ["process-ready", (d) => this.#each(d, "handling Ready", (node) => this.#ready(node))],
    [
      "process-append-thread",
      (d) => this.#each(d, "processing append thread", (node) => this.#append(node)),
    ],
    [
      "process-apply-thread",
      (d) => this.#each(d, "processing apply thread", (node) => this.#apply(node)),
    ],
    ["tick-heartbeat", ({ words }) => this.#node(words[0]).core.tick()],
    ["tick-election", ({ words }) => this.#tick(this.#node(words[0]), electionTicks)],
    ["raft-state", () => this.#print(...stateLines(this.nodes))],
    ["raft-log", ({ words }) => this.#print(...logLines(this.#node(words[0])))],
    ["status", ({ words }) => this.#print(...statusLines(this.#node(words[0])))],
    ["compact", ({ words }) => this.#compact(this.#node(words[0]), Number(words[1]))],
    ["report-unreachable", ({ words }) => this.#unreachable(words)],
    ["forget-leader", ({ words }) => this.#forgetLeader(this.#node(words[0]))],
    ["send-snapshot", ({ words }) => this.#sendSnapshot(this.#node(words[0]), words[1] ?? "")],
    ["set-randomized-election-timeout", (directive) => this.#checkTimeout(directive)],
  ]);

  #node(id: NodeId | undefined): InteractionNode {
    return must(
      this.nodes.find((node) => node.id === id),
      `node ${id} was added`,
    );
  }

  /** The nodes a directive names, or all. */
  #selected({ words }: Directive): readonly InteractionNode[] {
    const ids = words.filter((word) => !word.includes("="));
    return ids.length === 0 ? this.nodes : ids.map((id) => this.#node(id));
  }

  #print(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  #addNodes(directive: Directive): void {
    for (let i = 0; i < Number(directive.words[0]); i += 1) {
      const self = String(this.nodes.length + 1);
      this.nodes.push(newNode(self, directive, this.#options));
    }
  }

  #campaign({ core, settings }: InteractionNode): void {
    core.campaign(!settings.preVote);
  }

  #propose({ core }: InteractionNode, text: string): void {
    const result = core.propose([new TextEncoder().encode(text)]);
    if (!result.ok) this.#print("raft proposal dropped");
  }

  /** The one change that a transcript without its activation in sight asks for: "v3", node 3 votes. */
  #promote({ core }: InteractionNode, change: string): void {
    const node = /^v(\d+)$/.exec(change.trim())?.[1];
    if (node === undefined) throw new Error(`cannot express the change "${change}"`);
    const result = core.proposeConfig({ op: "promote", node });
    if (!result.ok) throw new Error(`the promotion is refused: ${result.detail}`);
  }

  #tick({ core }: InteractionNode, count: number): void {
    for (let i = 0; i < count; i += 1) core.tick();
  }

  #compact(node: InteractionNode, upTo: number): void {
    node.compact(upTo);
    this.#print(...logLines(node));
  }

  #unreachable([at, to = ""]: readonly string[]): void {
    this.#node(at).core.unreachable(to, "timeout");
  }

  /** Our core forgets a leader for one reason only: its process is gone. */
  #forgetLeader({ core }: InteractionNode): void {
    const { leader } = core.status();
    if (leader !== null) core.unreachable(leader, "closed");
  }

  #checkTimeout({ words, args }: Directive): void {
    const drawn = this.#options.timeouts.get(words[0] ?? "");
    if (drawn !== Number(args.get("timeout")?.[0])) throw new Error("drawn before it is known");
  }

  #sendSnapshot({ id, core, snapshot }: InteractionNode, to: NodeId): void {
    const meta = must(snapshot, "there is a state to send");
    const { term } = core.status();
    const message: Message = { type: "Snapshot", from: id, to, term, meta };
    this.#print(messageText(message));
    this.#send(message);
  }

  #each(directive: Directive, what: string, work: (node: InteractionNode) => void): void {
    const nodes = this.#selected(directive);
    for (const node of nodes) {
      if (nodes.length > 1) this.#print(`> ${node.id} ${what}`);
      work(node);
    }
  }

  #ready(node: InteractionNode): boolean {
    const shown = processReady(node, (message) => this.#responseOf(message));
    if (shown === null) {
      this.#print("<empty Ready>");
      return false;
    }
    this.#print(...shown.lines);
    this.#wire.push(...shown.responses);
    return true;
  }

  #append(node: InteractionNode): void {
    const { lines, responses } = processAppend(node);
    this.#print(...lines);
    this.#wire.push(...responses);
  }

  #apply(node: InteractionNode): void {
    const { lines, responses } = processApply(node);
    this.#print(...lines);
    this.#wire.push(...responses);
  }

  #send(message: Message): void {
    this.#wire.push(this.#responseOf(message));
  }

  /**
   * Published voters are loyal to a living leader only with `checkquorum`; ours always, unless the vote says that
   * the leader wants it. A forced campaign says so in our core, and must not where the transcript expects loyalty.
   */
  #responseOf(sent: Message): Response {
    const { checkQuorum } = this.#node(sent.from).settings;
    const asks = sent.type === "Vote" || sent.type === "PreVote";
    const message = asks ? { ...sent, transfer: !checkQuorum } : sent;
    return {
      to: message.to,
      name: messageName(message),
      local: message.from === message.to,
      text: messageText(message),
      deliver: ({ core }) => {
        core.step(message);
        if (message.type === "Snapshot") core.snapshotReceived(message.meta);
      },
    };
  }

  #deliverMessages({ words, args }: Directive): void {
    const name = args.get("type")?.[0] ?? null;
    let count = 0;
    for (const id of words.filter((word) => !word.includes("="))) count += this.#deliver(id, name);
    for (const id of args.get("drop") ?? []) {
      const lost = this.#wire.takeRemote(id, name);
      this.#print(...lost.map(({ text }) => `dropped: ${text}`));
      count += lost.length;
    }
    if (count === 0) this.#print("no messages");
  }

  #deliver(to: NodeId, name: string | null): number {
    const arrived = this.#wire.take(to, name);
    for (const { text, deliver } of arrived) {
      this.#print(text);
      deliver(this.#node(to));
    }
    return arrived.length;
  }

  #stabilize(nodes: readonly InteractionNode[]): void {
    for (let round = 0; round < 1000; round += 1) {
      if (!this.#stabilizeOnce(nodes)) return;
    }
    throw new Error("the cluster does not settle");
  }

  #stabilizeOnce(nodes: readonly InteractionNode[]): boolean {
    let busy = false;
    for (const node of nodes)
      busy = this.#announced(node, "handling Ready", () => this.#ready(node)) || busy;
    for (const node of nodes) {
      if (!this.#wire.hasFor(node.id)) continue;
      busy = true;
      this.#print(`> ${node.id} receiving messages`);
      this.#deliver(node.id, null);
    }
    for (const node of nodes) {
      if (node.appendWork.length === 0) continue;
      busy = true;
      this.#print(`> ${node.id} processing append thread`);
      while (node.appendWork.length > 0) this.#append(node);
    }
    for (const node of nodes) {
      if (node.applyWork.length === 0) continue;
      busy = true;
      this.#print(`> ${node.id} processing apply thread`);
      while (node.applyWork.length > 0) this.#apply(node);
    }
    return busy;
  }

  /** Prints a heading only when there was work. */
  #announced({ id }: InteractionNode, what: string, work: () => boolean): boolean {
    const before = this.#lines;
    this.#lines = [];
    const worked = work();
    this.#lines = worked ? [...before, `> ${id} ${what}`, ...this.#lines] : before;
    return worked;
  }
}
