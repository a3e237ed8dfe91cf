/**
 * The failure detector (SWIM §3.1 with Lifeguard's LHA-Probe): one direct probe per interval; when it stays
 * silent, others are asked; when the interval ends without an ack, the member is suspected. A relay that is
 * healthy itself says nack in time, so missing nacks mean that this agent does not hear, not the target. A relay that
 * died meanwhile owes none: else whoever sees several members die at once would doubt itself.
 */
import { type LaneName } from "../ports.ts";
import { type Awareness } from "./awareness.ts";
import { type Counters } from "./counters.ts";
import { type FrameBuilder } from "./frame-builder.ts";
import { type Membership } from "./membership.ts";
import { type MemberTable } from "./member-table.ts";
import { type Overlay } from "./overlay.ts";
import { type PeerChoice } from "./peer-choice.ts";
import { ProbeOrder } from "./probe-order.ts";
import { type Random } from "../../base/random.ts";
import { type Sequence } from "./sequence.ts";
import { type Suspicions } from "./suspicions.ts";
import { type Frame, type Ix, Status, type Turn } from "./types.ts";

interface Probe {
  readonly seq: number;
  readonly target: Ix;
  readonly incarnation: number;
  readonly sentAt: number;
  readonly deadline: number;
  /** When others are asked; Infinity once they were. */
  askAt: number;
  readonly relays: Ix[];
  /** A relay may say it on both lanes. */
  readonly nackedBy: Set<Ix>;
}

export interface ProberOptions {
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly probeAfterMs: number;
  readonly indirectProbes: number;
  readonly fullMeshUpTo: number;
  readonly lifeguard: { readonly probe: boolean; readonly buddy: boolean };
}

export interface ProberDependencies {
  readonly self: Ix;
  readonly table: MemberTable;
  readonly overlay: Overlay;
  readonly peers: PeerChoice;
  readonly frames: FrameBuilder;
  readonly awareness: Awareness;
  readonly sequence: Sequence;
  readonly random: Random;
  readonly membership: Membership;
  readonly suspicions: Pick<Suspicions, "isRefused">;
  readonly counters: Counters;
  /** The lane on which frames to this member travel when nothing else is asked for. */
  readonly usualLane: (ix: Ix) => LaneName;
}

/** Probes in a row that only the other lane, or others, answered, before that is worth telling. */
const asymmetryProbes = 3;
/**
 * A round may be early by this share of the interval when the agent is awake: what it sends together, with a heartbeat's
 * answer for one, costs both sides less than what it sends by itself.
 */
const earlyShare = 0.3;
/** Probes beside the periodic one, started by closed connections. */
const extraProbesMax = 32;

export class Prober {
  readonly #options: ProberOptions;
  readonly #deps: ProberDependencies;
  readonly #order: ProbeOrder;
  #probes: Probe[] = [];
  #nextRound: number;
  #overlayVersion = -1;
  #subjects: ReadonlySet<Ix> = new Set();
  /** Answers in a row that came on the other lane. */
  readonly #otherLane = new Map<Ix, number>();
  /** The last answers, in a row, that came through others, and for which probe the last one. */
  readonly #throughOthers = new Map<Ix, { readonly inARow: number; readonly seq: number }>();
  /** The last doubt of oneself: when, and by how much. */
  #doubted = { at: -Infinity, by: 0 };

  constructor(options: ProberOptions, dependencies: ProberDependencies, now: number) {
    this.#options = options;
    this.#deps = dependencies;
    this.#order = new ProbeOrder(dependencies.random);
    this.#nextRound =
      now + options.probeAfterMs + dependencies.random.float() * options.probeIntervalMs;
  }

  /** By how much the next round may be early, when it is the next thing to do. */
  get earlyMs(): number {
    return this.#probes.length === 0 ? this.#options.probeIntervalMs * earlyShare : 0;
  }

  get nextDeadline(): number {
    let earliest = this.#nextRound;
    for (const probe of this.#probes) {
      earliest = Math.min(earliest, probe.askAt, probe.deadline);
    }
    return earliest;
  }

  /** A member that was not known before. */
  newcomer(ix: Ix): void {
    if (this.#deps.overlay.isMesh) this.#order.add(ix);
  }

  /** The table was taken over: whom the cluster would have had while it was a mesh. */
  rebuild(): void {
    const { overlay, table, self } = this.#deps;
    const meshed = overlay.isMesh ? Infinity : this.#options.fullMeshUpTo - 1;
    let entered = 0;
    for (const ix of allUp(table)) {
      if (ix === self) continue;
      if (entered >= meshed) break;
      this.#order.add(ix);
      entered += 1;
    }
  }

  tick(turn: Turn): void {
    // The list is replaced, never changed, when a probe ends.
    for (const probe of this.#probes) {
      if (turn.now >= probe.deadline) this.#fail(turn, probe);
      else if (turn.now >= probe.askAt) this.#askOthers(turn, probe);
    }
    if (turn.now < this.#nextRound - this.earlyMs) return;
    const interval = this.#interval();
    // One that was early does not move the next. Rounds missed while the host was stopped are not made up for.
    this.#nextRound = Math.max(this.#nextRound + interval, turn.now + interval / 2);
    const target = this.#nextTarget();
    if (target >= 0) this.#send(turn, target);
    // Nobody is left whose answer could tell: doubt from before would stay for ever.
    else if (this.#options.lifeguard.probe) this.#deps.awareness.change(-1);
  }

  /** Probes `target` now, besides the rounds: its connection closed. */
  probeNow(turn: Turn, target: Ix): void {
    if (this.#probes.length >= extraProbesMax) return;
    if (this.#probes.some((probe) => probe.target === target)) return;
    this.#send(turn, target);
  }

  /** True when `seq` was a probe of ours from `from`, or relayed for us. */
  ack(turn: Turn, seq: number, by: { readonly from: Ix; readonly lane: LaneName }): boolean {
    const probe = this.#probes.find((other) => other.seq === seq);
    if (probe === undefined) return this.#isLate(seq, by.from);
    this.#remove(probe);
    this.#deps.counters.add("probesAcked");
    if (by.from === probe.target) this.#heardOn(turn, probe, by.lane);
    else this.#heardThroughOthers(turn, probe);
    if (this.#options.lifeguard.probe) this.#deps.awareness.change(-1);
    return true;
  }

  nack(seq: number, from: Ix): void {
    this.#probes.find((other) => other.seq === seq)?.nackedBy.add(from);
  }

  /** A forgotten member: nothing is held against its lanes any more. */
  forget(ix: Ix): void {
    this.#otherLane.delete(ix);
    this.#throughOthers.delete(ix);
  }

  #heardOn(turn: Turn, probe: Probe, lane: LaneName): void {
    const { target } = probe;
    this.#throughOthers.delete(target);
    turn.out.rtt(target, turn.now - probe.sentAt, lane);
    if (probe.askAt !== Infinity || lane === this.#deps.usualLane(target)) {
      this.#otherLane.delete(target);
      return;
    }
    this.#deps.counters.add("probesOtherLane");
    const inARow = (this.#otherLane.get(target) ?? 0) + 1;
    this.#otherLane.set(target, inARow % asymmetryProbes);
    if (inARow >= asymmetryProbes) turn.out.asymmetry(target, lane);
  }

  /** The member answers itself, but slower than others do for it: something passes. */
  #isLate(seq: number, from: Ix): boolean {
    if (this.#throughOthers.get(from)?.seq !== seq) return false;
    this.#throughOthers.delete(from);
    return true;
  }

  #heardThroughOthers(turn: Turn, { target, seq }: Probe): void {
    const inARow = (this.#throughOthers.get(target)?.inARow ?? 0) + 1;
    this.#throughOthers.set(target, { inARow: inARow % asymmetryProbes, seq });
    if (inARow >= asymmetryProbes) turn.out.asymmetry(target, "others");
  }

  #interval(): number {
    const { probeIntervalMs, lifeguard } = this.#options;
    return lifeguard.probe ? this.#deps.awareness.scale(probeIntervalMs) : probeIntervalMs;
  }

  /** Doubt alone does not stretch it: others are asked in time to help. A slow host asks them for its own slowness. */
  #timeout(): number {
    const { probeTimeoutMs, lifeguard } = this.#options;
    return lifeguard.probe ? probeTimeoutMs * this.#deps.awareness.slowness : probeTimeoutMs;
  }

  #send(turn: Turn, target: Ix): void {
    const { table, sequence, counters } = this.#deps;
    counters.add("probesSent");
    const seq = sequence.next();
    const incarnation = table.incarnation(target);
    const sent = turn.out.frame(target, this.#pingFrame(target, seq), "usual");
    this.#probes.push({
      seq,
      target,
      incarnation,
      sentAt: turn.now,
      deadline: turn.now + this.#interval(),
      askAt: sent ? turn.now + this.#timeout() : turn.now,
      relays: [],
      nackedBy: new Set(),
    });
  }

  #askOthers(turn: Turn, probe: Probe): void {
    probe.askAt = Infinity;
    const { peers, table, frames, counters } = this.#deps;
    const healthy = (ix: Ix): boolean =>
      ix !== probe.target &&
      table.status(ix) === Status.alive &&
      table.record(ix)?.body.degraded !== true;
    for (const relay of peers.up(this.#options.indirectProbes, healthy)) {
      const request = { kind: "pingRequest", seq: probe.seq, target: probe.target } as const;
      counters.add("indirectAsked");
      // On both lanes: what keeps the answer away may keep this one away as well.
      if (turn.out.frame(relay, frames.build(request), "both")) probe.relays.push(relay);
    }
    // And once more oneself, on the other lane (memberlist's TCP ping): a lane alone may be cut or lossy.
    turn.out.frame(probe.target, this.#pingFrame(probe.target, probe.seq), "other");
  }

  /** Buddy (Lifeguard): a suspect hears of it with the first frame, so that it can refute at once. */
  #pingFrame(target: Ix, seq: number): Frame {
    const { frames, membership } = this.#deps;
    const ping = { kind: "ping", seq, target } as const;
    const accusation = this.#options.lifeguard.buddy ? membership.against(target) : null;
    return accusation === null ? frames.build(ping) : frames.build(ping, accusation);
  }

  #fail(turn: Turn, probe: Probe): void {
    this.#remove(probe);
    const { table, membership, self, counters } = this.#deps;
    if (this.#options.lifeguard.probe) {
      const living = probe.relays.filter((relay) => !this.#isGone(relay));
      const missed = living.filter((relay) => !probe.nackedBy.has(relay)).length;
      this.#doubtOneself(turn, probe, living.length > 0 ? missed : 1);
      // Nobody else was asked in time: this host stood still, so the silence proves nothing.
      if (probe.askAt !== Infinity) return;
    }
    if (!table.isUp(probe.target)) return;
    counters.add("probesFailed");
    const { target: member, incarnation } = probe;
    membership.accuse(turn, { kind: "suspect", member, incarnation, from: self, refused: false });
  }

  /**
   * Lifeguard counts one probe at a time. When several connections close at once several probes run at once, and what
   * they miss shows one and the same moment: only the worst of them counts.
   */
  #doubtOneself({ now }: Turn, probe: Probe, by: number): void {
    const counted = probe.sentAt < this.#doubted.at ? this.#doubted.by : 0;
    if (by <= counted) return;
    this.#deps.awareness.change(by - counted);
    this.#doubted = { at: now, by };
  }

  /** Not merely suspect: one who hears nobody suspects everybody. */
  #isGone(relay: Ix): boolean {
    const { table, suspicions } = this.#deps;
    return !table.isUp(relay) || suspicions.isRefused(relay);
  }

  #remove(probe: Probe): void {
    this.#probes = this.#probes.filter((other) => other !== probe);
  }

  #nextTarget(): Ix {
    const { overlay, table, self } = this.#deps;
    if (overlay.isMesh) {
      return this.#order.next(
        (ix) => ix !== self && table.isUp(ix),
        () => allUp(table),
      );
    }
    this.#followOverlay();
    return this.#order.next(
      (ix) => this.#subjects.has(ix),
      () => this.#subjects,
    );
  }

  /** New subjects enter the present round; former ones are skipped when their turn comes. */
  #followOverlay(): void {
    const { overlay } = this.#deps;
    if (overlay.version === this.#overlayVersion) return;
    this.#overlayVersion = overlay.version;
    const before = this.#subjects;
    this.#subjects = new Set(overlay.subjects());
    for (const ix of this.#subjects) {
      if (!before.has(ix)) this.#order.add(ix);
    }
  }
}

function* allUp(table: MemberTable): Iterable<Ix> {
  for (let ix = 0; ix < table.bound; ix += 1) {
    if (table.isUp(ix)) yield ix;
  }
}
