/** What a person who waits sees on stderr: one line for what is being done, replaced on a terminal, and one for each run that is over. */

const MS_PER_MINUTE = 60_000;

export class Progress {
  private readonly total: number;
  private readonly isTerminal = process.stderr.isTTY === true;
  private readonly beganAt = performance.now();
  private done = 0;
  private title = '';

  /** `total`: 0 when it is not known. */
  constructor(total: number) {
    this.total = total;
  }

  begin(title: string): void {
    this.title = title;
    this.say('');
  }

  say(text: string): void {
    if (this.isTerminal) this.replace(`${this.place(this.done + 1)}${this.title}${text === '' ? '' : `: ${text}`}${this.remaining()}`);
  }

  end(outcome: string): void {
    this.done++;
    this.replace('');
    process.stderr.write(`${this.place(this.done)}${this.title}: ${outcome}\n`);
  }

  close(): void {
    this.replace('');
  }

  private place(at: number): string {
    return this.total === 0 ? '' : `[${at}/${this.total}] `;
  }

  private remaining(): string {
    if (this.done === 0 || this.total === 0) return '';
    const leftMs = ((performance.now() - this.beganAt) / this.done) * (this.total - this.done);
    return `, about ${Math.ceil(leftMs / MS_PER_MINUTE)} min left`;
  }

  private replace(text: string): void {
    if (this.isTerminal) process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
  }
}
