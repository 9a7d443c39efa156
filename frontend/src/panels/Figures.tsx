import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useLoaded, Waiting } from "@/panels/Page";
import { count } from "@/panels/Projects";
import { FAULTS, TASK_STATES } from "@/panels/taskStates";
import { api, type Figures as FiguresOf, type Project, type Task } from "@/sync/api";

const SPANS = [7, 30, 90]; // days
const ORDER: readonly Task["state"][] = [
  "accepted",
  "submitted",
  "sent_back",
  "in_progress",
  "open",
  "skipped",
];

/** How far the project is, how fast it goes, and what the work costs. */
export function Figures({ project }: { project: Project }): JSX.Element {
  const [days, setDays] = useState(30);
  const figures = useLoaded(() => api.figures(project.id, days), `${project.id} ${days}`);
  const { value } = figures;
  return (
    <section aria-label="Figures" class="stack">
      <div class="row apart">
        <fieldset class="plain row" aria-label="Of how many days">
          {SPANS.map((span) => (
            <button
              key={span}
              type="button"
              class="chip"
              aria-pressed={span === days}
              onClick={() => setDays(span)}
            >
              {span} days
            </button>
          ))}
        </fieldset>
        <a class="button" href={`/api/projects/${project.id}/figures.csv?days=${days}`} download>
          Download as CSV
        </a>
      </div>
      <Waiting of={figures} what="the figures" />
      {value && (
        <>
          <Progress of={value} />
          <Days of={value} />
          <People of={value} />
          <Corrections of={value} />
        </>
      )}
    </section>
  );
}

function Progress({ of }: { of: FiguresOf }): JSX.Element {
  const all = Object.values(of.frames).reduce((sum, frames) => sum + frames, 0);
  const shown = ORDER.filter((state) => of.frames[state]);
  if (!all) return <p class="dim">There are no tasks yet.</p>;
  return (
    <section class="panel stack tight" aria-label="Progress">
      <h2>
        {percent(of.frames.accepted ?? 0, all)} of {all.toLocaleString("en")} frames are accepted
      </h2>
      <div class="stacked" role="img" aria-label="Frames by the state of their task">
        {shown.map((state) => (
          <i
            key={state}
            class={`state ${state}`}
            style={{ flexGrow: of.frames[state] ?? 0 }}
            title={`${TASK_STATES[state].words}: ${of.frames[state]} frames`}
          />
        ))}
      </div>
      <p class="row">
        {shown.map((state) => (
          <span key={state} class="row key">
            <i class={`state ${state}`} aria-hidden="true" />
            {TASK_STATES[state].words}: {count(of.tasks[state] ?? 0, "task")},{" "}
            {count(of.frames[state] ?? 0, "frame")}
          </span>
        ))}
      </p>
      <p class="dim">{forecast(of, all)}</p>
    </section>
  );
}

function forecast(of: FiguresOf, all: number): string {
  if ((of.frames.accepted ?? 0) + (of.frames.skipped ?? 0) === all) return "Everything is done.";
  return of.ready_on
    ? `At the pace of the last two weeks all of it is accepted on ${of.ready_on}.`
    : "Nothing was accepted in the last two weeks, so that there is no forecast.";
}

/** Accepted frames day by day, as bars. */
function Days({ of }: { of: FiguresOf }): JSX.Element {
  const most = Math.max(1, ...of.days.map(({ accepted_frames }) => accepted_frames));
  return (
    <section class="panel stack tight" aria-label="Accepted frames by day">
      <h2>Accepted frames by day</h2>
      <div class="bars">
        {of.days.map(({ day, accepted_frames }) => (
          <i
            key={day}
            title={`${day}: ${accepted_frames} frames`}
            style={{ height: `${(100 * accepted_frames) / most}%` }}
          />
        ))}
      </div>
      <p class="row apart dim">
        <span>{of.since}</span>
        <span>most in a day: {Math.max(...of.days.map((d) => d.accepted_frames))}</span>
        <span>{of.until}</span>
      </p>
    </section>
  );
}

function People({ of }: { of: FiguresOf }): JSX.Element {
  if (!of.people.length) return <p class="dim">Nobody has done anything in these days.</p>;
  return (
    <table aria-label="People">
      <thead>
        <tr>
          <th>Who</th>
          <th class="number">Tasks handed in</th>
          <th class="number">Accepted at once</th>
          <th class="number">Objects</th>
          <th class="number" title="Clicks that the model answered, for each object">
            Clicks each
          </th>
          <th
            class="number"
            title="With tools and thinking: between edits at most two minutes apart"
          >
            At work
          </th>
          <th
            class="number"
            title="Between edits at most ten seconds apart, as a share of the time at work"
          >
            Tools
          </th>
          <th
            class="number"
            title="Looking and thinking between edits, as a share of the time at work"
          >
            Thinking
          </th>
          <th class="number" title="Pauses of two to twenty minutes between edits">
            Idle
          </th>
          <th class="number" title="For the model, as a share of the time at work">
            Waiting
          </th>
          <th class="number" title="Time at work for each object">
            Seconds each
          </th>
        </tr>
      </thead>
      <tbody>
        {of.people.map((person) => (
          <tr key={person.name}>
            <td>{person.name}</td>
            <td class="number">{person.submitted}</td>
            <td class="number">
              {person.judged ? `${person.first_time} of ${person.judged}` : "–"}
            </td>
            <td class="number">{person.objects}</td>
            <td class="number">{each(person.clicks, person.objects, 1)}</td>
            <td class="number">{duration(person.at_work_s)}</td>
            <td class="number">{share(person.tool_s, person.at_work_s)}</td>
            <td class="number">{share(person.thinking_s, person.at_work_s)}</td>
            <td class="number">{duration(person.idle_s)}</td>
            <td class="number">{share(person.waiting_s, person.at_work_s)}</td>
            <td class="number">{each(person.at_work_s, person.objects, 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Corrections({ of }: { of: FiguresOf }): JSX.Element {
  const faults = Object.entries(of.faults);
  return (
    <div class="stack tight">
      {of.prelabels > 0 && (
        <p>
          Of {of.prelabels} pre-labelled objects in accepted scenes people have changed or deleted{" "}
          {of.corrected} ({percent(of.corrected, of.prelabels)}).
        </p>
      )}
      {faults.length > 0 && (
        <p>
          Sent back for:{" "}
          {faults.map(([fault, times]) => `${FAULTS[fault] ?? fault} (${times})`).join(", ")}.
        </p>
      )}
    </div>
  );
}

const percent = (part: number, whole: number): string => `${Math.round((100 * part) / whole)} %`;

const share = (part: number, whole: number): string => (whole ? percent(part, whole) : "–");

const each = (sum: number, number: number, digits: number): string =>
  number ? (sum / number).toFixed(digits) : "–";

/** As people say it: "40 s", "12 min", "3 h 20 min". */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
