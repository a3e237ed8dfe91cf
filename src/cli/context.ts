/** What every command gets: the environment, where to write, how to reach an agent. Tests give their own. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One line (or text with line ends) on standard output: data. */
  readonly print: (line: string) => void;
  /** One line on standard error: messages and progress. */
  readonly tell: (line: string) => void;
  readonly isTerminal: boolean;
  readonly columns: number;
  /** Aborts on Ctrl-C: a waiting command detaches. */
  readonly interrupted: AbortSignal;
  /** Options given before the verb: `--api-socket`, `--data-dir`, `--debug` … */
  readonly globalFlags: () => Readonly<Record<string, unknown>>;
  readonly setExitCode: (code: number) => void;
}
