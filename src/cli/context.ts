/** What every command gets: the environment, where to write, how to reach an agent. Tests give their own. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One line (or text with line ends) on standard output: data. */
  readonly print: (line: string) => void;
  /** One line on standard error: messages and progress. */
  readonly tell: (line: string) => void;
  /** Width that tables are fitted to; null when a program reads them. */
  readonly columns: number | null;
  /** Aborts on Ctrl-C: a waiting command detaches. A second Ctrl-C ends the process. */
  readonly interrupted: AbortSignal;
  /** Aborts when nobody reads standard output any more (`| head`): what only prints can end. */
  readonly outputClosed: AbortSignal;
  /** Options given before the verb: `--api-socket`, `--data-dir`, `--debug` … */
  readonly globalFlags: () => Readonly<Record<string, unknown>>;
  readonly setExitCode: (code: number) => void;
}
