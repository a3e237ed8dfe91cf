/** Counters and gauges of one node, plain numbers to be read at any time by whoever exports them. */
export class Histogram {
  /** Upper bounds in milliseconds; the last bucket has none. */
  readonly bounds: readonly number[] = [
    0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000, 2500, 5000,
  ];
  readonly buckets: number[] = new Array<number>(this.bounds.length + 1).fill(0);
  count = 0;
  sumMs = 0;
  maxMs = 0;

  observe(milliseconds: number): void {
    let at = 0;
    while (at < this.bounds.length && milliseconds > (this.bounds[at] ?? Infinity)) at += 1;
    this.buckets[at] = (this.buckets[at] ?? 0) + 1;
    this.count += 1;
    this.sumMs += milliseconds;
    if (milliseconds > this.maxMs) this.maxMs = milliseconds;
  }
}

export class DriverMetrics {
  turns = 0;
  proposals = 0;
  /** Proposals refused at once: not the leader, or too much under way. */
  refused = 0;
  /** Proposals whose outcome was declared unknown. */
  unknown = 0;
  applied = 0;
  reads = 0;
  messagesIn = 0;
  messagesOut = 0;
  /** Messages dropped because too many waited. */
  messagesDropped = 0;
  elections = 0;
  leaderChanges = 0;
  /** Writes to the log, of which several operations share one when the disk is busy. */
  writes = 0;
  operations = 0;
  diskStalls = 0;
  snapshotsTaken = 0;
  snapshotsFailed = 0;
  snapshotsSent = 0;
  snapshotsReceived = 0;
  snapshotsInstalled = 0;
  /** Pulls this agent made and served, entries it took and gave by them, and neighbours that contradicted its log. */
  relayPulls = 0;
  relayServed = 0;
  relayedIn = 0;
  relayedOut = 0;
  relayMismatches = 0;
  /** From handing a write to the log until it is durable. */
  readonly writeMs = new Histogram();
  /** From proposal to applied on the leader. */
  readonly commitMs = new Histogram();
  /** How much later than due a tick ran: a blocked event loop. */
  readonly tickLateMs = new Histogram();
  /** Gauges: proposals under way, writes waiting, entries waiting to be applied. */
  pendingProposals = 0;
  pendingWrites = 0;
  pendingApplies = 0;
}
