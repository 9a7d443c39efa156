import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useActs, useLoaded, Waiting } from "@/panels/Page";
import { addressOf, TASK_STATES, titleOf } from "@/panels/taskStates";
import {
  api,
  type Comparison,
  type Measures,
  type Project,
  type Quality as QualityOf,
  type Task,
} from "@/sync/api";

const MEASURES: readonly [keyof Measures, string, string][] = [
  ["iou", "IoU", "Of what either labels, the share that both give to the same object"],
  [
    "pq",
    "PQ",
    "Panoptic quality: objects found, and how well, picture by picture or sweep by sweep",
  ],
  ["lstq", "LSTQ", "Classes, and whether an object is one track all the time"],
  ["boundary", "Outline F", "Outlines within 0.8 % of the picture's diagonal"],
];

/** How good people's labels are: against gold, and against each other. */
export function Quality({ project }: { project: Project }): JSX.Element {
  const quality = useLoaded(() => api.quality(project.id), project.id);
  const { value } = quality;
  const isEmpty = value && !value.copies.length && !value.comparisons.length;
  return (
    <section aria-label="Quality" class="stack">
      <Reviews project={project.id} />
      <Waiting of={quality} what="the quality" />
      {isEmpty && (
        <div class="empty">
          <h2>Nothing is compared yet</h2>
          <p>
            <a href={`/projects/${project.id}/tasks`}>Among the tasks</a>, “Label again…” lets
            others label the same frames without their knowing. Of accepted work that is a trial
            against gold, of other work one opinion beside another.
          </p>
        </div>
      )}
      {value && value.people.length > 0 && <People of={value.people} />}
      {value && value.comparisons.length > 0 && (
        <Comparisons of={value.comparisons} onChange={quality.reload} />
      )}
      {value && value.copies.length > 0 && <Copies of={value.copies} />}
    </section>
  );
}

/** What people review: everything, or what is flagged and a share of the rest. */
function Reviews({ project }: { project: number }): JSX.Element | null {
  const detail = useLoaded(() => api.projectDetail(project), project);
  const { error, act } = useActs(detail.reload);
  const { value } = detail;
  if (!value) return <Waiting of={detail} what="the review policy" />;
  const choose = (wish: Parameters<typeof api.configure>[1]) =>
    void act(api.configure(project, wish));
  return (
    <fieldset class="plain stack panel" aria-label="What is reviewed">
      <label>
        <input
          type="radio"
          name="policy"
          checked={value.review_policy === "all"}
          onChange={() => choose({ review_policy: "all" })}
        />{" "}
        Everything that is handed in is reviewed
      </label>
      <label>
        <input
          type="radio"
          name="policy"
          checked={value.review_policy === "exceptions"}
          onChange={() => choose({ review_policy: "exceptions" })}
        />{" "}
        Only exceptions are: what rules find something in, what the model doubts, open issues, and
        what came back. The rest is accepted by itself, but for{" "}
        <input
          class="tiny"
          type="number"
          min={0}
          max={100}
          aria-label="Percent of the rest that is reviewed"
          disabled={value.review_policy === "all"}
          defaultValue={value.review_share}
          onChange={({ currentTarget: { validity, valueAsNumber } }) => {
            if (validity.valid) choose({ review_share: valueAsNumber });
          }}
        />{" "}
        % that are drawn by chance
      </label>
      <Failure words={error} />
    </fieldset>
  );
}

function People({ of }: { of: QualityOf["people"] }): JSX.Element {
  return (
    <table aria-label="People">
      <thead>
        <tr>
          <th rowSpan={2}>Who</th>
          <th rowSpan={2} class="number">
            Trials
          </th>
          <th colSpan={MEASURES.length} class="group">
            Pictures
          </th>
          <th colSpan={3} class="group">
            Points
          </th>
          <th rowSpan={2} class="number" title="IoU with others, where there is no gold">
            With others
          </th>
        </tr>
        <tr>
          <Heads kind="pixels" />
          <Heads kind="points" />
        </tr>
      </thead>
      <tbody>
        {of.map(({ person, trials, pixels, points, agreement }) => (
          <tr key={person.id}>
            <td>{person.name}</td>
            <td class="number">{trials}</td>
            <Values kind="pixels" of={pixels} />
            <Values kind="points" of={points} />
            <td class="number">{shown(agreement)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const measuresOf = (kind: "pixels" | "points") =>
  MEASURES.filter(([name]) => kind === "pixels" || name !== "boundary");

function Heads({ kind }: { kind: "pixels" | "points" }): JSX.Element {
  return (
    <>
      {measuresOf(kind).map(([name, words, help]) => (
        <th key={name} class="number" title={help}>
          {words}
        </th>
      ))}
    </>
  );
}

function Values(props: { kind: "pixels" | "points"; of: Measures | null }): JSX.Element {
  return (
    <>
      {measuresOf(props.kind).map(([name]) => (
        <td key={name} class="number">
          {shown(props.of?.[name] ?? null)}
        </td>
      ))}
    </>
  );
}

function Comparisons(props: { of: readonly Comparison[]; onChange: () => void }): JSX.Element {
  const [opened, setOpened] = useState<number | null>(null);
  const { error, act } = useActs(props.onChange);
  return (
    <div class="stack tight">
      <h2>What was handed in</h2>
      <Failure words={error} />
      <table aria-label="Comparisons">
        <thead>
          <tr>
            <th>Drive</th>
            <th>Who</th>
            <th>Against</th>
            <Heads kind="pixels" />
            <Heads kind="points" />
            <th class="number" title="Objects: found, missing, too many, of another class">
              Objects
            </th>
            <th />
          </tr>
        </thead>
        <tbody>
          {props.of.map((each) => (
            <Row
              key={each.id}
              of={each}
              isOpen={opened === each.id}
              toggle={() => setOpened(opened === each.id ? null : each.id)}
              adopt={() => act(api.adoptCopy(each.scene))}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row(props: {
  of: Comparison;
  isOpen: boolean;
  toggle: () => void;
  adopt: () => void;
}): JSX.Element {
  const { of } = props;
  return (
    <>
      <tr class={props.isOpen ? "opened" : ""}>
        <td class="name">
          <a href={`/scenes/${of.scene}`}>{of.scene_name}</a>
          <p class="dim">
            frames {of.frames[0]} to {of.frames[1]}
          </p>
        </td>
        <td>{of.person?.name ?? "nobody"}</td>
        <td>
          <a href={`/scenes/${of.reference}`}>
            {of.is_gold ? "gold" : (of.other?.name ?? "somebody")}
          </a>
        </td>
        <Values kind="pixels" of={of.pixels} />
        <Values kind="points" of={of.points} />
        <td class="number" title={objects(of)}>
          {of.found}{" "}
          <span class="dim">
            −{of.missing} +{of.extra}
          </span>
          {of.other_class > 0 && <span class="dim"> ≠{of.other_class}</span>}
        </td>
        <td class="acts">
          <div class="row">
            <button type="button" aria-expanded={props.isOpen} onClick={props.toggle}>
              {props.isOpen ? "Less" : "More"}
            </button>
            {!of.is_gold && (
              <button
                type="button"
                class="quiet"
                title={`What ${of.person?.name ?? "this copy"} has labelled takes the place of the original's labels in these frames. It can be undone there.`}
                onClick={props.adopt}
              >
                Take these labels
              </button>
            )}
          </div>
        </td>
      </tr>
      {props.isOpen && (
        <tr>
          <td colSpan={5 + 2 * MEASURES.length - 1}>
            <Details id={of.id} />
          </td>
        </tr>
      )}
    </>
  );
}

function objects(of: Comparison): string {
  const parts = [
    `${of.found} found`,
    `${of.missing} missing`,
    `${of.extra} too many`,
    `${of.other_class} of another class`,
  ];
  return parts.join(", ");
}

function Details({ id }: { id: number }): JSX.Element {
  const detail = useLoaded(() => api.comparison(id), id);
  const { value } = detail;
  if (!value) return <Waiting of={detail} what="the comparison" />;
  return (
    <div class="row beside">
      <table aria-label="By class">
        <thead>
          <tr>
            <th>Class</th>
            <th class="number">Objects</th>
            <th class="number">Pictures</th>
            <th class="number">Points</th>
          </tr>
        </thead>
        <tbody>
          {value.classes.map(({ name, pixels, points, objects: many }) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="number">{many}</td>
              <td class="number">{shown(pixels)}</td>
              <td class="number">{shown(points)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {value.ranges.length > 0 && (
        <table aria-label="By range">
          <thead>
            <tr>
              <th>Range</th>
              <th class="number">Points</th>
            </tr>
          </thead>
          <tbody>
            {value.ranges.map(({ name, points }) => (
              <tr key={name}>
                <td>{name}</td>
                <td class="number">{shown(points)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div class="grow">
        <h3>Where they differ most</h3>
        {!value.worst.length && <p class="dim">They are the same.</p>}
        <ol class="plain">
          {value.worst.map((place) => (
            <li key={`${place.is_judged} ${place.track}`}>
              <a href={`/scenes/${value.scene}?frame=${place.frame}`}>
                {place.label_class}, {place.sensor}, frame {place.frame}
              </a>{" "}
              <span class="dim">
                {place.is_judged
                  ? "nobody else has it"
                  : place.iou
                    ? `IoU ${shown(place.iou)}`
                    : "is missing"}
              </span>
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}

function Copies({ of }: { of: readonly Task[] }): JSX.Element {
  return (
    <div class="stack tight">
      <h2>Blind copies</h2>
      <table aria-label="Blind copies">
        <thead>
          <tr>
            <th>Drive</th>
            <th>State</th>
            <th>Labeller</th>
          </tr>
        </thead>
        <tbody>
          {of.map((task) => (
            <tr key={task.id}>
              <td class="name">
                <a href={addressOf(task)}>{titleOf(task)}</a>
              </td>
              <td>
                <span class={`badge ${TASK_STATES[task.state].badge}`}>
                  {TASK_STATES[task.state].words}
                </span>
              </td>
              <td class={task.assignee ? "" : "dim"}>
                {task.assignee?.name ?? "whoever comes first"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const shown = (value: number | null): string => (value === null ? "–" : value.toFixed(3));
