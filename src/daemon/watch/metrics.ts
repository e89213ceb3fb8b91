// Numbers for Prometheus, in its text format (prometheus.io, exposition formats, version 0.0.4). Names and labels are
// ours and plain; nothing that a client sends becomes a label.

/** Of one number. Few values each: every combination is a series that is kept. */
export type Labels = Readonly<Record<string, string>>;

/** A number that only grows. */
export interface Counter {
  add(by: number, labels?: Labels): void;
}

/** How values are distributed. */
export interface Histogram {
  observe(value: number): void;
}

/** What a gauge shows when it is asked: one value, or one for each of some labels. */
export type Reading = () => Read | Promise<Read>;
type Read = number | readonly (readonly [Labels, number])[];

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  lines(): readonly string[] | Promise<readonly string[]>;
}

/** The numbers of one daemon. */
export class Metrics {
  readonly #families: Family[] = [];

  counter(name: string, help: string): Counter {
    const values = new Map<string, number>();
    this.#families.push({
      name,
      help,
      type: "counter",
      lines: () =>
        values.size === 0 ? [`${name} 0`] : [...values].map(([labels, value]) => `${name}${labels} ${value}`),
    });
    return {
      add: (by, labels = {}) => {
        const key = written(labels);
        values.set(key, (values.get(key) ?? 0) + by);
      },
    };
  }

  /** Asked for its value when somebody reads; what it throws leaves it out. `type` is "counter" for what only grows. */
  gauge(name: string, help: string, read: Reading, type: "gauge" | "counter" = "gauge"): void {
    this.#families.push({
      name,
      help,
      type,
      lines: async () => {
        const found = await read();
        if (typeof found === "number") return [`${name} ${found}`];
        return found.map(([labels, value]) => `${name}${written(labels)} ${value}`);
      },
    });
  }

  /** `bounds` are the upper ends of its buckets, ascending. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const counts = bounds.map(() => 0);
    let [sum, count] = [0, 0];
    this.#families.push({
      name,
      help,
      type: "histogram",
      lines: () => [
        ...bounds.map((bound, at) => `${name}_bucket{le="${bound}"} ${counts[at] ?? 0}`),
        `${name}_bucket{le="+Inf"} ${count}`,
        `${name}_sum ${sum}`,
        `${name}_count ${count}`,
      ],
    });
    return {
      observe: (value) => {
        sum += value;
        count += 1;
        for (const [at, bound] of bounds.entries()) if (value <= bound) counts[at] = (counts[at] ?? 0) + 1;
      },
    };
  }

  /** All of them, as a scrape has them. */
  async text(): Promise<string> {
    const lines: string[] = [];
    for (const family of this.#families) {
      try {
        const values = await family.lines();
        lines.push(`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`, ...values);
      } catch {
        // The others are told: a number that cannot be had now is better absent than wrong.
      }
    }
    return `${lines.join("\n")}\n`;
  }
}

function written(labels: Labels): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
