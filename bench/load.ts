/** What every load generator reports. */
export interface LoadResult {
  readonly clients: number;
  /** Operations that succeeded. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Refused, broken off or not answered in time. */
  readonly errors: number;
  /** CPU of the generator itself, in cores. */
  readonly generatorCores: number;
}
