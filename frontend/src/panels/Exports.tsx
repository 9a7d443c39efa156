import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { JobRow } from "@/panels/Jobs";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { count, inBytes } from "@/panels/Projects";
import { TASK_STATES } from "@/panels/taskStates";
import { api, isRunning, type Project, type Task } from "@/sync/api";

export function Exports(props: { project: Project }): JSX.Element {
  const { project } = props;
  const jobs = useLoaded(
    () => api.jobs(project.id, "export"),
    project.id,
    (list) => list.some(isRunning),
  );
  return (
    <section aria-label="Exports" class="stack">
      <NewExport project={project} onStarted={jobs.reload} />
      <Waiting of={jobs} what="earlier exports" />
      {jobs.value?.length === 0 && <p class="dim">Nothing has been exported yet.</p>}
      {jobs.value?.map((job) => (
        <JobRow key={job.id} job={job} onChange={jobs.reload}>
          {job.download && (
            <a class="button primary" href={job.download} download>
              Download{job.report?.bytes ? ` · ${inBytes(job.report.bytes)}` : ""}
            </a>
          )}
        </JobRow>
      ))}
    </section>
  );
}

interface Offered {
  scene: number;
  name: string;
  words: string;
  isAccepted: boolean; // all parts of it
}

/** A scene may be split into several tasks; it is accepted when all of them are. */
function scenesOf(tasks: readonly Task[]): Offered[] {
  const parts = new Map<number, Task[]>();
  for (const task of tasks) parts.set(task.scene, [...(parts.get(task.scene) ?? []), task]);
  return [...parts].map(([scene, of]) => {
    const accepted = of.filter(({ state }) => state === "accepted").length;
    const words =
      of.length === 1
        ? TASK_STATES[of[0]!.state].words
        : `${accepted} of ${of.length} parts accepted`;
    return { scene, name: of[0]!.scene_name, words, isAccepted: accepted === of.length };
  });
}

function NewExport(props: { project: Project; onStarted: () => void }): JSX.Element {
  const { project } = props;
  const formats = useLoaded(api.exportFormats, "formats");
  const tasks = useLoaded(() => api.tasks(project.id), project.id);
  const [format, setFormat] = useState("native");
  const [unreviewed, setUnreviewed] = useState(false);
  const [readings, setReadings] = useState(false);
  const [left, setLeft] = useState<ReadonlySet<number>>(new Set());
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);

  const offered = scenesOf(tasks.value ?? []).filter(({ isAccepted }) => unreviewed || isAccepted);
  const wanted = offered.filter(({ scene }) => !left.has(scene));
  const toggle = (scene: number) => {
    const next = new Set(left);
    if (!next.delete(scene)) next.add(scene);
    setLeft(next);
  };
  const start = async () => {
    setError("");
    setBusy(true);
    try {
      await api.startExport(project.id, {
        scenes: wanted.map(({ scene }) => scene),
        format,
        include_unreviewed: unreviewed,
        with_readings: format === "native" && readings,
      });
      props.onStarted();
    } catch (failure) {
      setError(wordsFor(failure));
    }
    setBusy(false);
  };

  return (
    <div class="panel stack">
      <h2>Export labels</h2>
      <Waiting of={formats} what="the formats" />
      <label class="field">
        Format
        <select
          class="short"
          value={format}
          onChange={(event) => setFormat(event.currentTarget.value)}
        >
          {formats.value?.map((choice) => (
            <option key={choice.name} value={choice.name}>
              {choice.title}
            </option>
          ))}
        </select>
      </label>
      <p class="dim">{formats.value?.find((choice) => choice.name === format)?.description}</p>
      <label class="check">
        <input
          type="checkbox"
          checked={unreviewed}
          onChange={(event) => setUnreviewed(event.currentTarget.checked)}
        />
        <span>
          Also scenes that nobody has accepted; the archive says so in its name and inside
        </span>
      </label>
      {format === "native" && (
        <label class="check">
          <input
            type="checkbox"
            checked={readings}
            onChange={(event) => setReadings(event.currentTarget.checked)}
          />
          <span>With the pictures and sweeps themselves (large)</span>
        </label>
      )}
      {tasks.value && offered.length === 0 && (
        <p class="notice">
          {tasks.value.length
            ? "No scene is accepted yet. Accept a task, or include unreviewed scenes."
            : "There is no scene in this project to export from."}
        </p>
      )}
      {offered.length > 0 && (
        <fieldset>
          <legend>Scenes</legend>
          {offered.map(({ scene, name, words }) => (
            <label class="check" key={scene}>
              <input type="checkbox" checked={!left.has(scene)} onChange={() => toggle(scene)} />
              <span>
                {name} <span class="dim">({words})</span>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <Failure words={error} />
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={wanted.length === 0 || isBusy}
          onClick={start}
        >
          {wanted.length ? `Export ${count(wanted.length, "scene")}` : "Export"}
        </button>
      </div>
    </div>
  );
}
