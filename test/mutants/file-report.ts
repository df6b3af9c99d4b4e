// What a run of tests tells of each of its files.

/** What lines of it begin with. */
export const REPORT_MARK = '@@keelson ';

export interface FileReport {
  /** '' for an error outside of any file. */
  readonly file: string;
  /** Also when all of its tests are skipped. */
  readonly isPassed: boolean;
  /** The name of the first test that failed, or why the file has none; '' otherwise. */
  readonly failure: string;
  readonly durationMs: number;
}
