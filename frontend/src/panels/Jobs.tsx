import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, wordsFor } from "@/panels/Page";
import { count } from "@/panels/Projects";
import { api, type ImportReport, isRunning, type JobSummary } from "@/sync/api";

const COLOURS: Record<JobSummary["state"], string> = {
  waiting: "",
  running: "accent",
  done: "ok",
  failed: "danger",
  cancelled: "warn",
  superseded: "",
};

/** One job: how far it is, what went wrong, stop and go on. `children`: what it has made. */
export function JobRow(props: {
  job: JobSummary;
  onChange: () => void;
  children?: ComponentChildren;
}): JSX.Element {
  const { job } = props;
  const [error, setError] = useState("");
  const act = async (action: Promise<unknown>) => {
    setError("");
    try {
      await action;
    } catch (failure) {
      setError(wordsFor(failure));
    }
    props.onChange();
  };
  const mayResume = job.state === "failed" || job.state === "cancelled";
  return (
    <article class="job">
      <div class="row apart">
        <div class="row">
          <strong>{job.label || job.kind}</strong>
          <span class={`badge ${COLOURS[job.state]}`}>
            {job.cancel_requested && isRunning(job) ? "stopping" : job.state}
          </span>
        </div>
        <div class="row">
          {props.children}
          {isRunning(job) && !job.cancel_requested && (
            <button type="button" onClick={() => act(api.cancelJob(job.id))}>
              Cancel
            </button>
          )}
          {mayResume && (
            <button type="button" onClick={() => act(api.resumeJob(job.id))}>
              {job.state === "failed" ? "Try again" : "Resume"}
            </button>
          )}
        </div>
      </div>
      {isRunning(job) && (
        <progress value={job.total ? job.done : undefined} max={job.total || undefined} />
      )}
      <p class="dim">
        {progressOf(job)}
        {job.by?.name ?? "the system"}, {new Date(job.created_at).toLocaleString()}
      </p>
      <Failure words={job.error || error} />
      {job.report && job.kind !== "export" && <Report report={job.report} />}
    </article>
  );
}

/** What the badge, the error and the report's first line do not say. */
function progressOf(job: JobSummary): string {
  const isSaid = job.message === job.state || job.message === job.report?.summary;
  if (job.state === "waiting") return "waits for a worker that is free · ";
  if (job.state === "running" && job.message) return `${job.message} · `;
  if (job.state === "running" && job.total) return `${job.done} of ${job.total} · `;
  return job.state === "done" && job.message && !isSaid ? `${job.message} · ` : "";
}

/** An import's report in words: what came, what is odd, what was left out and why. */
export function Report(props: { report: ImportReport }): JSX.Element {
  const { report } = props;
  return (
    <details>
      <summary>
        {[report.summary ?? "Import report", remarksIn(report)].filter(Boolean).join(" · ")}
      </summary>
      <div class="report stack">
        {report.sensors && (
          <table>
            <thead>
              <tr>
                <th>Sensor</th>
                <th>Kind</th>
                <th class="number">Readings</th>
                <th class="number">Points</th>
              </tr>
            </thead>
            <tbody>
              {report.sensors.map((sensor) => (
                <tr key={sensor.name}>
                  <td>{sensor.name}</td>
                  <td>{sensor.kind === "lidar" ? "LiDAR" : sensor.kind}</td>
                  <td class="number">{sensor.readings.toLocaleString("en")}</td>
                  <td class="number">{sensor.points?.toLocaleString("en") ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        <Lines
          title="Gaps"
          lines={report.gaps?.map(
            (gap) => `after frame ${gap.after_frame}: ${Math.round(gap.milliseconds)} ms`,
          )}
        />
        <Lines title="Odd calibration" lines={report.odd_calibration} />
        <Lines
          title="Skipped or odd"
          lines={report.skipped?.map((problem) =>
            [
              problem.file,
              problem.record === null ? "" : `record ${problem.record}`,
              problem.message,
            ]
              .filter(Boolean)
              .join(": "),
          )}
        />
      </div>
    </details>
  );
}

/** What a person should look at before labelling. */
function remarksIn(report: ImportReport): string {
  const lines = [report.gaps, report.odd_calibration, report.skipped];
  const remarks = lines.reduce((sum, list) => sum + (list?.length ?? 0), 0);
  return remarks ? count(remarks, "remark") : "";
}

function Lines(props: { title: string; lines: string[] | undefined }): JSX.Element | null {
  if (!props.lines?.length) return null;
  return (
    <div>
      <h3>{props.title}</h3>
      <ul>
        {props.lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </div>
  );
}
