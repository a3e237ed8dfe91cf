/** Lineage between agents: what each asks of the others, and what it answers, over the mesh's RPC. */
import { AgentError, isAgentError } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { Slowness } from "../base/slowness.ts";
import { Turns } from "../base/turns.ts";
import { type LineageDriver } from "../consensus/lineage-driver/driver.ts";
import { type AgentPeers } from "../consensus/lineage-driver/ports.ts";
import {
  type Demotion,
  type IsOpen,
  type MergePage,
  type PromiseAnswer,
  type SettledExit,
} from "../consensus/lineage/ports.ts";
import { type Generation } from "../consensus/lineage/types.ts";
import { type Shape, text } from "../inventory/shape.ts";
import { type Rpc } from "../p2p/ports.ts";
import {
  acceptShape,
  answerShape,
  ballotShape,
  checked,
  demotionShape,
  generationShape,
  helloShape,
  pageShape,
  settledShape,
  surveyShape,
} from "./lineage-wire.ts";

const questionMs = 1500;
/**
 * Without a quorum everybody is asked, of whom most are not connected where there are many. More at once would take
 * longer to connect than any of them is waited for: each has its time from its turn on, and a machine that is busy asks
 * more slowly.
 */
const askedAtOnce = 32;
/** The one asked has `confirmMs` to hear from its leader. */
const confirmAnswerMs = 3000;
/** A promise waits for disks, a page and a demotion for a commit. */
const ballotMs = 4000;
const commitMs = 15_000;
const recoverMs = 30_000;

export interface LineageServices {
  readonly driver: LineageDriver;
  readonly merge: (page: MergePage) => Promise<void>;
  readonly confirm: (generation: string) => Promise<void>;
  readonly demote: (node: PeerId) => Promise<Demotion>;
  readonly settleExit: (by: PeerId, exit: SettledExit) => Promise<"void" | "used">;
  readonly recover: (hash: string) => Promise<Generation>;
  /** A member said something: it is alive. */
  readonly heard: (from: PeerId) => void;
}

interface Asking<T> {
  readonly shape: Shape<T>;
  readonly timeoutMs?: number;
}

/** @param slowness of this agent's own machine: an answer may take as many times longer. */
export function lineagePeers(
  rpc: Rpc,
  heard: (from: PeerId) => void,
  slowness: Pick<Slowness, "factor"> = new Slowness(),
): AgentPeers {
  const patience = (ms: number): number => ms * slowness.factor;
  const ask = async <T>(
    to: string,
    method: string,
    payload: unknown,
    { shape, timeoutMs = patience(questionMs) }: Asking<T>,
  ): Promise<T> => {
    const peer = asPeerId(to);
    const answer = await rpc.call(peer, `lineage.${method}`, payload, { timeoutMs });
    heard(peer);
    return checked(shape, answer, `answer to ${method}`);
  };
  const nothing: Shape<null> = (value) => (value === null ? null : "answer is not empty");
  const verdict: Shape<"void" | "used"> = (value) =>
    value === "void" || value === "used" ? null : "answer is neither void nor used";
  const ballot = (): Asking<PromiseAnswer> => ({
    shape: answerShape,
    timeoutMs: patience(ballotMs),
  });
  const hellos = new Turns(askedAtOnce);
  const surveys = new Turns(askedAtOnce);
  const ballots = new Turns(askedAtOnce);
  return {
    hello: (to, hello) => hellos.run(() => ask(to, "hello", hello, { shape: helloShape })),
    survey: (to, survey) => surveys.run(() => ask(to, "survey", survey, { shape: surveyShape })),
    prepare: (to, request, isOpen) =>
      ballots.run(() => unlessOver(isOpen, () => ask(to, "prepare", request, ballot()))),
    accept: (to, request, isOpen) =>
      ballots.run(() => unlessOver(isOpen, () => ask(to, "accept", request, ballot()))),
    confirm: async (to, generation) => {
      try {
        const timeoutMs = patience(confirmAnswerMs);
        await ask(to, "confirm", { generation }, { shape: nothing, timeoutMs });
      } catch (error) {
        // An agent of an earlier version is taken at the word of its hello, as it takes others'.
        if (!isAgentError(error, "UNKNOWN_METHOD")) throw error;
      }
    },
    merge: async (to, page) => {
      await ask(to, "merge", page, { shape: nothing, timeoutMs: commitMs });
    },
    demote: (to, node) =>
      ask(to, "demote", { node }, { shape: demotionShape, timeoutMs: commitMs }),
    settleExit: (to, exit) => ask(to, "settleExit", exit, { shape: verdict }),
    recover: (to, hash) =>
      ask(to, "recover", { hash }, { shape: generationShape, timeoutMs: recoverMs }),
  };
}

function unlessOver<T>(isOpen: IsOpen, ask: () => Promise<T>): Promise<T> {
  if (isOpen()) return ask();
  return Promise.reject(new AgentError("BALLOT_OVER", "The ballot ended before it was asked for."));
}

export function serveLineage(rpc: Rpc, services: LineageServices): void {
  const { driver, confirm, merge, demote, settleExit, recover, heard } = services;
  const serve = <T>(
    method: string,
    shape: Shape<T>,
    answer: (request: T, from: PeerId) => Promise<unknown>,
  ): void => {
    rpc.handle(`lineage.${method}`, async (payload, from) => {
      heard(from);
      return answer(checked(shape, payload, method), from);
    });
  };
  serve("hello", helloShape, (hello, from) => driver.hello(from, hello));
  serve("survey", surveyShape, (survey, from) => driver.survey(from, survey));
  serve("prepare", ballotShape, (request, from) => driver.prepare(from, request));
  serve("accept", acceptShape, (request, from) => driver.accept(from, request));
  serve("confirm", field("generation"), async ({ generation }) => {
    await confirm(generation);
    return null;
  });
  serve("merge", pageShape, async (page) => {
    await merge(page);
    return null;
  });
  serve("demote", field("node"), ({ node }) => demote(asPeerId(node)));
  serve("settleExit", settledShape, (exit, from) => settleExit(from, exit));
  serve("recover", field("hash"), ({ hash }) => recover(hash));
}

function field<Name extends string>(name: Name): Shape<Readonly<Record<Name, string>>> {
  return (value, path) =>
    isJsonObject(value) ? text(value[name], `${path}.${name}`) : `${path} is not an object`;
}

/** The leader of this generation, when this agent is not the one. @throws AgentError NO_LEADER. */
export function otherLeader(leader: string | null, self: PeerId): PeerId | null {
  if (leader === null) throw new AgentError("NO_LEADER", "This side has no leader now");
  return leader === self ? null : asPeerId(leader);
}
