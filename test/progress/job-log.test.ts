// The log of a job: lines as their readers know them, and all that a failed job has to say in the last one.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { failureText, JobLog, type JobLogOptions } from "../../src/progress/job-log.ts";

suite("a job's log", () => {
  const written = (options: Partial<JobLogOptions>, use: (log: JobLog) => void): string => {
    let text = "";
    let now = 1000;
    const write = (more: string): void => void (text += more);
    const defaults = { format: "text", level: "info", timestamp: false } as const;
    use(new JobLog({ ...defaults, now: () => (now += 1000), write, output: () => undefined, ...options }));
    return text;
  };

  test("has one last line for a failure, however many its error has", () => {
    const error = new BuildError("REGISTRY", "failed to fetch remote: git stderr:\nfatal: no such repository\n", {
      hint: "the memory of the pod did not suffice\ngive it more",
    });
    const line = "failed to fetch remote: git stderr: fatal: no such repository (the memory of the pod did not suffice; give it more)"; // prettier-ignore
    assert.equal(failureText(error), line);
    for (const format of ["text", "color", "json"] as const) {
      const text = written({ format }, (log) => log.fail(error));
      assert.equal(text.indexOf("\n"), text.length - 1, text);
      assert.ok(text.includes(line));
    }
  });

  test("leaves out what weighs less than asked for", () => {
    const say = (log: JobLog): void => {
      log.say("info", "a word");
      log.say("warn", "warned");
    };
    assert.equal(written({}, say), 'level=info msg="a word"\nlevel=warning msg=warned\n');
    assert.equal(written({ level: "warn", format: "json" }, say), '{"level":"warn","msg":"warned"}\n');
    assert.equal(written({ level: "error" }, say), "");
    assert.match(written({ format: "color" }, say), /^\x1b\[36mINFO\x1b\[0m\[0001\] a word\n/);
    assert.match(written({ timestamp: true }, say), /^time="1970-01-01T00:00:03Z" level=info/);
  });
});
