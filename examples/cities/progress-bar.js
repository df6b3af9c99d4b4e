// @ts-check
// A progress bar: on a terminal, one line that is redrawn; in a file or a CI log, a new line now and then.

const WIDTH = 30;
const REDRAW_MS = 50;
const LOG_STEP = 0.25;

/** Progress towards a total. */
export class ProgressBar {
  #total;
  #out;
  #bar = '';
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #nextLogged = LOG_STEP;

  /**
   * @param {number} total
   * @param {NodeJS.WriteStream} out
   */
  constructor(total, out) {
    this.#total = total;
    this.#out = out;
  }

  /**
   * Shows the progress and a note.
   *
   * @param {number} done
   * @param {string} note
   */
  update(done, note) {
    const part = done / this.#total;
    const percent = `${String(Math.floor(part * 100)).padStart(3)}%  ${note}`;
    if (!this.#out.isTTY) {
      if (part < this.#nextLogged) return;
      this.#nextLogged = (Math.floor(part / LOG_STEP) + 1) * LOG_STEP;
      this.#out.write(`  ${percent}\n`);
      return;
    }
    const filled = Math.round(part * WIDTH);
    this.#bar = `  ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${percent}`;
    const nowMs = performance.now();
    if (nowMs - this.#drawnAtMs < REDRAW_MS) return;
    this.#drawnAtMs = nowMs;
    this.#draw('');
  }

  /**
   * Prints a line above the bar.
   *
   * @param {string} line
   */
  log(line) {
    this.#draw(`${line}\n`);
  }

  /** Draws the last progress once more, and ends the line. */
  end() {
    if (this.#bar === '') return;
    this.#draw('');
    this.#out.write('\n');
    this.#bar = '';
  }

  /** @param {string} above */
  #draw(above) {
    if (this.#out.isTTY) {
      this.#out.cursorTo(0);
      this.#out.clearLine(0);
    }
    // A bar that wraps onto a second line could not be redrawn.
    this.#out.write(above + this.#bar.slice(0, this.#out.columns - 1));
  }
}
