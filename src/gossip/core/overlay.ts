/**
 * The expander overlay (Rapid §4.1): K rings, each a pseudo-random order of all members that are up. On each
 * ring a member observes its successor and is observed by its predecessor, so everybody has at most 2K
 * neighbours and K observers at any N. A change of membership touches only the rings where it is next to us.
 * Views that differ for a moment do no harm: each edge is decided by its observer.
 */
import { type Directory } from "./directory.ts";
import { type MemberTable } from "./member-table.ts";
import { type Ix } from "./types.ts";

export interface OverlayOptions {
  readonly rings: number;
  readonly fullMeshUpTo: number;
  readonly selector: "ring" | "uniform";
}

export interface OverlayDependencies {
  readonly self: Ix;
  readonly directory: Directory;
  readonly table: MemberTable;
}

export class Overlay {
  readonly #options: OverlayOptions;
  readonly #self: Ix;
  readonly #directory: Directory;
  readonly #table: MemberTable;
  /** This agent's own place on each ring. */
  readonly #places: Uint32Array;
  readonly #successors: Int32Array;
  readonly #predecessors: Int32Array;
  /** Distance going forward to the successor and to the predecessor of each ring. */
  readonly #nearest: Float64Array;
  readonly #farthest: Float64Array;
  #subjects: readonly Ix[] = [];
  #neighbours: readonly Ix[] = [];
  #stale = true;
  /** Everybody was a neighbour when somebody last came or went. */
  #wasMesh = true;
  #version = 0;

  constructor(options: OverlayOptions, dependencies: OverlayDependencies) {
    this.#options = options;
    this.#self = dependencies.self;
    this.#directory = dependencies.directory;
    this.#table = dependencies.table;
    const { directory, self } = dependencies;
    this.#places = Uint32Array.from({ length: options.rings }, (_, ring) =>
      directory.position(ring, self),
    );
    this.#successors = new Int32Array(options.rings).fill(-1);
    this.#predecessors = new Int32Array(options.rings).fill(-1);
    this.#nearest = new Float64Array(options.rings).fill(Infinity);
    this.#farthest = new Float64Array(options.rings).fill(-1);
  }

  /** Everybody is a neighbour: the cluster is small, or probing is uniform as in the papers. */
  get isMesh(): boolean {
    return (
      this.#options.selector === "uniform" || this.#table.upCount <= this.#options.fullMeshUpTo
    );
  }

  /** Changes whenever the lists may have changed. */
  get version(): number {
    return this.#version;
  }

  /** Whom this agent probes on the rings. */
  subjects(): readonly Ix[] {
    this.#refresh();
    return this.#subjects;
  }

  /** Connections this agent needs. In a uniform overlay that is nobody in particular. */
  neighbours(): readonly Ix[] {
    this.#refresh();
    return this.#neighbours;
  }

  /** The table was taken over from another agent. */
  rebuild(): void {
    for (let ring = 0; ring < this.#options.rings; ring += 1) this.#rescan(ring);
    this.#touch();
  }

  /** The table now says that `ix` is up. */
  up(ix: Ix): void {
    if (ix === this.#self) return;
    for (let ring = 0; ring < this.#options.rings; ring += 1) {
      if (this.#offer(ring, ix)) this.#touch();
    }
    this.#followMesh();
  }

  /** The table no longer says that `ix` is up. */
  down(ix: Ix): void {
    for (let ring = 0; ring < this.#options.rings; ring += 1) {
      if (this.#successors[ring] !== ix && this.#predecessors[ring] !== ix) continue;
      this.#rescan(ring);
      this.#touch();
    }
    this.#followMesh();
  }

  /** In a mesh each change concerns everybody, and so does its end. */
  #followMesh(): void {
    if (this.isMesh || this.#wasMesh) this.#touch();
    this.#wasMesh = this.isMesh;
  }

  #touch(): void {
    this.#stale = true;
    this.#version += 1;
  }

  /** Distance from this agent to `ix` going forward on a ring. */
  #ahead(ring: number, ix: Ix): number {
    return (this.#directory.position(ring, ix) - (this.#places[ring] ?? 0)) >>> 0;
  }

  /** True when `ix` is the new successor or predecessor of this agent on `ring`. */
  #offer(ring: number, ix: Ix): boolean {
    const ahead = this.#ahead(ring, ix);
    const isNearest = ahead < (this.#nearest[ring] ?? 0);
    const isFarthest = ahead > (this.#farthest[ring] ?? 0);
    if (isNearest) {
      this.#nearest[ring] = ahead;
      this.#successors[ring] = ix;
    }
    if (isFarthest) {
      this.#farthest[ring] = ahead;
      this.#predecessors[ring] = ix;
    }
    return isNearest || isFarthest;
  }

  #rescan(ring: number): void {
    const place = this.#places[ring] ?? 0;
    const order = this.#directory.ring(ring);
    const isOther = (ix: Ix): boolean => ix !== this.#self && this.#table.isUp(ix);
    const successor = order.next(place, 1, isOther);
    const predecessor = order.next(place, -1, isOther);
    this.#successors[ring] = successor;
    this.#predecessors[ring] = predecessor;
    this.#nearest[ring] = successor < 0 ? Infinity : this.#ahead(ring, successor);
    this.#farthest[ring] = predecessor < 0 ? -1 : this.#ahead(ring, predecessor);
  }

  #refresh(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.#subjects = distinct([...this.#successors]);
    if (this.#options.selector === "uniform") return;
    this.#neighbours = this.isMesh
      ? this.#everybody()
      : distinct([...this.#successors, ...this.#predecessors]);
  }

  #everybody(): readonly Ix[] {
    const all: Ix[] = [];
    for (let ix = 0; ix < this.#table.bound; ix += 1) {
      if (ix !== this.#self && this.#table.isUp(ix)) all.push(ix);
    }
    return all;
  }
}

function distinct(items: readonly Ix[]): readonly Ix[] {
  return [...new Set(items)].filter((ix) => ix >= 0);
}
