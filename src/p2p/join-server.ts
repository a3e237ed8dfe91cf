/**
 * Lets new agents in. The only code that speaks to strangers, so all of it is limited: sixteen dialogues at
 * once, a rate, ten seconds each, small frames. A token that does not exist gets a proof like any other, made with a
 * key nobody has, so that what is answered tells a stranger nothing of which token ids exist.
 */
import { unlessAborted } from "../base/clock.ts";
import { createHmac, randomBytes } from "node:crypto";
import { type Stream } from "@libp2p/interface";
import { Background } from "../base/background.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { OffenceLog } from "../gossip/driver/offence-log.ts";
import { parseHostPort } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { answersAt } from "./dial-back.ts";
import { P2pCode } from "./errors.ts";
import { FrameChannel } from "./frame-channel.ts";
import {
  decodeJoinHello,
  decodeJoinRequest,
  encodeJoin,
  encodeRefusal,
  maxJoinFrame,
  maxMembersInAnswer,
  nonceBytes,
  proofOf,
  provesEqual,
  type JoinAnswer,
} from "./join-wire.ts";
import { type MeshContext } from "./mesh-context.ts";
import { Protocol } from "./protocols.ts";
import { decodeStandingQuestion, encodeStanding, type Standing } from "./standing-wire.ts";

/** What joins need from the replicated state. */
export interface JoinAuthority {
  clusterId(): string | null;
  /** What this replica says of a peer that asks about itself. */
  standingOf(peer: PeerId): Standing;
  /**
   * The verifier of a join token, also of one that is expired or used up: `admit` judges that. Null means that none is
   * committed, not that this replica has yet to hear of it.
   * @throws AgentError NO_LEADER (try later) when that cannot be told now
   */
  verifierOf(tokenId: string): Promise<{ readonly verifier: string } | null>;
  /**
   * Commits the admission of a peer that proved the token. Must be idempotent for the same peer.
   * @throws AgentError TOKEN_EXPIRED, TOKEN_USED, TOKEN_NAME, MEMBER_EVICTED (final), NO_LEADER (try later)
   */
  admit(request: {
    readonly peer: PeerId;
    readonly name: string;
    readonly address: string;
    readonly tokenId: string;
  }): Promise<Omit<JoinAnswer, "reached">>;
}

const maxConcurrent = 16;
const dialogueMs = 10_000;
/** Dialogues per second in the long run, and how many may come at once after a quiet time. */
const ratePerSecond = 32;
const burst = 64;
const logMs = 10_000;
const maxText = 1024;

export class JoinServer {
  readonly #authority: JoinAuthority;
  readonly #context: MeshContext;
  readonly #background: Background;
  readonly #dummyKey = randomBytes(32);
  /** By the text of the line. */
  readonly #logs = new Map<string, OffenceLog>();
  #running = 0;
  #allowance = burst;
  #refilledMs: number;

  constructor(authority: JoinAuthority, context: MeshContext) {
    this.#authority = authority;
    this.#context = context;
    this.#background = new Background(context.logger);
    this.#refilledMs = context.clock.monotonicMs();
    context.host.handle(Protocol.join, (stream, peer) => this.#begin(stream, peer));
  }

  close(): Promise<void> {
    return this.#background.close();
  }

  #begin(stream: Stream, peer: PeerId): void {
    const channel = new FrameChannel(stream, { maxFrameBytes: maxJoinFrame, maxUnread: 2 });
    if (this.#running >= maxConcurrent || !this.#allowed()) {
      channel.write(encodeRefusal(P2pCode.joinBusy, "Many agents are joining; try again later."));
      channel.end(this.#context.clock);
      return;
    }
    this.#running += 1;
    this.#background.run(`join of ${peer}`, async (stop) => {
      const work = this.#serve(channel, peer, stop);
      await work.finally(() => {
        this.#running -= 1;
      });
    });
  }

  async #serve(channel: FrameChannel, peer: PeerId, stop: AbortSignal): Promise<void> {
    const limit = { clock: this.#context.clock, ms: dialogueMs, signal: stop };
    try {
      await withDeadline(limit, async (signal) => {
        channel.write(await this.#dialogue(channel, peer, signal));
      });
      channel.end(this.#context.clock);
    } catch (error) {
      this.#say("info", peer, "join broke off", { error: errorMessage(error) });
      channel.abort(new AgentError(P2pCode.joinFailed, "The join broke off."));
    }
  }

  /** The last frame: the answer or a refusal. @throws when the stranger talks nonsense or goes away */
  async #dialogue(channel: FrameChannel, peer: PeerId, signal: AbortSignal): Promise<Uint8Array> {
    const opening = await channel.read(signal);
    const asksAbout = decodeStandingQuestion(opening);
    if (asksAbout !== null) return this.#tellStanding(peer, asksAbout);
    const hello = decodeJoinHello(opening);
    const clusterId = this.#authority.clusterId();
    if (clusterId === null) {
      return encodeRefusal(P2pCode.noLeader, "This agent has not joined a cluster itself yet.");
    }
    if (hello.clusterId !== clusterId) {
      return encodeRefusal(P2pCode.foreignCluster, "The token is of another cluster.");
    }
    const known = await unlessAborted(this.#verifierOf(hello.tokenId), signal);
    if (known instanceof AgentError)
      return encodeRefusal(known.code, known.message.slice(0, maxText));
    const dummy = createHmac("sha256", this.#dummyKey).update(hello.tokenId).digest("hex");
    const input = {
      verifier: known?.verifier ?? dummy,
      client: peer,
      server: this.#context.host.id,
      clientNonce: hello.nonce,
      serverNonce: randomBytes(nonceBytes),
      clusterId,
    };
    const proof = proofOf({ ...input, label: "server" });
    channel.write(encodeJoin({ nonce: input.serverNonce, proof }));
    const request = decodeJoinRequest(await channel.read(signal));
    const proven = provesEqual(proofOf({ ...input, label: "client" }), request.proof);
    if (!proven || known === null) {
      this.#say("warn", peer, "join refused: wrong token", { token: hello.tokenId });
      return encodeRefusal(P2pCode.tokenInvalid, "The join token is not valid here.");
    }
    const where = parseHostPort(request.address);
    if (where === null) {
      return encodeRefusal(P2pCode.addressInvalid, "The agent's address is not HOST:PORT.");
    }
    const { name, address } = request;
    // Who is a member already may ask again, and must not learn of other addresses so.
    const isKnown = this.#authority.standingOf(peer).standing !== "unknown";
    const reached = isKnown
      ? Promise.resolve(true)
      : answersAt(where, { cameFrom: this.#cameFrom(peer), clock: this.#context.clock, signal });
    const asked = { peer, name, address, tokenId: hello.tokenId };
    return unlessAborted(this.#admit(asked, reached), signal);
  }

  async #verifierOf(tokenId: string): Promise<{ readonly verifier: string } | null | AgentError> {
    try {
      return await this.#authority.verifierOf(tokenId);
    } catch (error) {
      if (error instanceof AgentError) return error;
      throw error;
    }
  }

  /** A stranger is told that it is one, and nothing else. */
  #tellStanding(peer: PeerId, asksAbout: string): Uint8Array {
    const clusterId = this.#authority.clusterId();
    if (clusterId === null) {
      return encodeRefusal(P2pCode.noLeader, "This agent has not joined a cluster itself yet.");
    }
    if (asksAbout !== clusterId) {
      return encodeRefusal(P2pCode.foreignCluster, "This agent is of another cluster.");
    }
    const standing = this.#authority.standingOf(peer);
    this.#say("info", peer, "told a peer whether it is a member", standing);
    return encodeStanding(standing);
  }

  /** Each of these lines at most once in ten seconds: anybody can make this agent write them, as often as joins go. */
  #say(level: "info" | "warn", peer: PeerId, text: string, data: object): void {
    const { clock, logger } = this.#context;
    const log = this.#logs.get(text) ?? new OffenceLog({ periodMs: logMs });
    this.#logs.set(text, log);
    const heard = log.take(peer, clock.monotonicMs());
    if (heard !== null) logger[level]({ from: this.#cameFrom(peer), ...data, ...heard }, text);
  }

  #cameFrom(peer: PeerId): string {
    const connection = this.#context.host.connections().findLast((one) => one.peer === peer);
    return parseHostPort(connection?.remote ?? "")?.host ?? "";
  }

  async #admit(
    request: Parameters<JoinAuthority["admit"]>[0],
    dialedBack: Promise<boolean>,
  ): Promise<Uint8Array> {
    const { logger } = this.#context;
    try {
      const answer = await this.#authority.admit(request);
      const reached = await dialedBack;
      const joined = { ...request, name: answer.nodeName };
      if (reached) logger.info(joined, "agent joined");
      else logger.warn(joined, "agent joined, but its address cannot be connected to from here");
      const members = answer.members.slice(0, maxMembersInAnswer);
      return encodeJoin({ ...answer, members, reached });
    } catch (error) {
      const refusal = error instanceof AgentError ? error : null;
      this.#say("warn", request.peer, "join refused", { ...request, error: errorMessage(error) });
      return refusal === null
        ? encodeRefusal(P2pCode.joinFailed, "The admission failed; the agent's log says why.")
        : encodeRefusal(refusal.code, refusal.message.slice(0, maxText));
    }
  }

  /** Token bucket over all strangers together. */
  #allowed(): boolean {
    const now = this.#context.clock.monotonicMs();
    const refill = ((now - this.#refilledMs) * ratePerSecond) / 1000;
    this.#allowance = Math.min(burst, this.#allowance + refill);
    this.#refilledMs = now;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }
}
