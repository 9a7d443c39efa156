import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useActs, useLoaded, Waiting } from "@/panels/Page";
import { count } from "@/panels/Projects";
import { LabelAgain, SendBack, Skip, Split } from "@/panels/TaskForms";
import {
  addressOf,
  FAULTS,
  FLAGS,
  goToNext,
  isToLabel,
  mayBeSentBack,
  PRIORITIES,
  TASK_STATES,
  titleOf,
} from "@/panels/taskStates";
import {
  api,
  type Member,
  mayLabel,
  mayManage,
  mayReview,
  type Project,
  type Task,
  type TaskPlan,
} from "@/sync/api";

type Act = (action: Promise<unknown>) => void;

/** Which tasks are listed: all, mine, or those in a state. */
type Filter = "all" | "mine" | Task["state"];

export function Tasks(props: { project: Project }): JSX.Element {
  const { project } = props;
  const isManager = mayManage(project.role);
  const tasks = useLoaded(() => api.tasks(project.id), project.id);
  const team = useLoaded(async () => (isManager ? api.members(project.id) : []), project.id);
  const { error, act: done } = useActs(tasks.reload);
  const [note, setNote] = useState("");
  const [filter, setFilter] = useState<Filter>("all");
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const act: Act = (action) => {
    setNote("");
    void done(action);
  };
  const goOn = (kind: "label" | "review") => {
    act(goToNext(project.id, kind).then((why) => setNote(why && `${why}.`)));
  };
  const all = tasks.value ?? [];
  const listed = all.filter(
    (task) => filter === "all" || (filter === "mine" ? task.mine : task.state === filter),
  );
  const selected = listed.filter(({ id }) => chosen.has(id));
  return (
    <section aria-label="Tasks" class="stack">
      <div class="row apart">
        <div class="row">
          {mayLabel(project.role) && (
            <button type="button" class="primary" onClick={() => goOn("label")}>
              Next task
            </button>
          )}
          {mayReview(project.role) && (
            <button type="button" onClick={() => goOn("review")}>
              Next review
            </button>
          )}
          {note && (
            <span class="dim" role="status">
              {note}
            </span>
          )}
        </div>
        {all.length > 0 && <Filters tasks={all} chosen={filter} choose={setFilter} />}
      </div>
      <Waiting of={tasks} what="the tasks" />
      <Failure words={error} />
      {tasks.value?.length === 0 && (
        <div class="empty">
          <h2>No tasks yet</h2>
          <p>Every imported scene opens one.</p>
        </div>
      )}
      {selected.length > 0 && (
        <Plan
          count={selected.length}
          team={team.value ?? []}
          plan={(plan) =>
            act(
              api.planTasks(
                project.id,
                selected.map(({ id }) => id),
                plan,
              ),
            )
          }
          leave={() => setChosen(new Set())}
        />
      )}
      {all.length > 0 && listed.length === 0 && <p class="dim">None of the tasks is like that.</p>}
      {listed.length > 0 && (
        <table>
          <thead>
            <tr>
              {isManager && (
                <th class="pick">
                  <input
                    type="checkbox"
                    aria-label="All tasks"
                    checked={selected.length === listed.length}
                    onChange={(event) =>
                      setChosen(
                        new Set(event.currentTarget.checked ? listed.map(({ id }) => id) : []),
                      )
                    }
                  />
                </th>
              )}
              <th>Scene</th>
              <th>State</th>
              <th>Due</th>
              <th>Labeller</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {listed.map((task) => (
              <Row
                key={task.id}
                task={task}
                role={project.role}
                team={team.value ?? []}
                act={act}
                isChosen={chosen.has(task.id)}
                choose={(isChosen) => {
                  const next = new Set(chosen);
                  if (isChosen) next.add(task.id);
                  else next.delete(task.id);
                  setChosen(next);
                }}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** How many there are of each kind; a press lists these alone. */
function Filters(props: {
  tasks: readonly Task[];
  chosen: Filter;
  choose: (filter: Filter) => void;
}): JSX.Element {
  const counted: [Filter, string, number][] = [
    ["all", "all", props.tasks.length],
    ["mine", "mine", props.tasks.filter(({ mine }) => mine).length],
    ...(Object.keys(TASK_STATES) as Task["state"][]).map((state): [Filter, string, number] => [
      state,
      TASK_STATES[state].words,
      props.tasks.filter((task) => task.state === state).length,
    ]),
  ];
  return (
    <fieldset class="plain row" aria-label="Which tasks">
      {counted
        .filter(([filter, , count]) => count > 0 || filter === props.chosen)
        .map(([filter, words, count]) => (
          <button
            key={filter}
            type="button"
            class="chip"
            aria-pressed={filter === props.chosen}
            onClick={() => props.choose(filter)}
          >
            {words} {count}
          </button>
        ))}
    </fieldset>
  );
}

/** What is done to all chosen tasks at once. */
function Plan(props: {
  count: number;
  team: readonly Member[];
  plan: (plan: TaskPlan) => void;
  leave: () => void;
}): JSX.Element {
  const annotators = props.team.filter(({ role }) => role === "annotator");
  const assign = (wanted: string) => {
    if (wanted === "share") props.plan({ assignees: annotators.map(({ user }) => user.id) });
    else if (wanted) props.plan({ assignees: [wanted === "nobody" ? null : Number(wanted)] });
  };
  return (
    <fieldset class="plain row panel" aria-label="Chosen tasks">
      <strong>{props.count} chosen</strong>
      <select
        aria-label="Give them to"
        value=""
        onChange={(event) => {
          assign(event.currentTarget.value);
          event.currentTarget.value = "";
        }}
      >
        <option value="">Give to…</option>
        {annotators.length > 1 && (
          <option value="share">all {annotators.length} annotators, shared out</option>
        )}
        <option value="nobody">{ANYBODY}</option>
        {props.team.map(({ user }) => (
          <option key={user.id} value={user.id}>
            {user.name}
          </option>
        ))}
      </select>
      <select
        aria-label="How urgent they are"
        value=""
        onChange={(event) => {
          if (event.currentTarget.value) {
            props.plan({ priority: Number(event.currentTarget.value) });
          }
          event.currentTarget.value = "";
        }}
      >
        <option value="">Priority…</option>
        {PRIORITIES.map((words, priority) => (
          <option key={words} value={priority}>
            {words}
          </option>
        ))}
      </select>
      <label class="row">
        due
        <input
          type="date"
          aria-label="Due"
          onChange={(event) => props.plan({ due: event.currentTarget.value || null })}
        />
      </label>
      <span class="grow" />
      <button type="button" class="quiet" onClick={props.leave}>
        Choose none
      </button>
    </fieldset>
  );
}

type Asking = "send back" | "skip" | "split" | "again" | null;

function Row(props: {
  task: Task;
  role: Project["role"];
  team: readonly Member[];
  act: Act;
  isChosen: boolean;
  choose: (isChosen: boolean) => void;
}): JSX.Element {
  const { task, act } = props;
  const [asking, setAsking] = useState<Asking>(null);
  const { words, badge } = TASK_STATES[task.state];
  const isManager = mayManage(props.role);
  const leave = () => setAsking(null);
  const done = (action: Promise<unknown>) => {
    act(action);
    leave();
  };
  return (
    <>
      <tr class={asking ? "opened" : ""}>
        {isManager && (
          <td class="pick">
            <input
              type="checkbox"
              aria-label={`Choose ${titleOf(task)}`}
              checked={props.isChosen}
              onChange={(event) => props.choose(event.currentTarget.checked)}
            />
          </td>
        )}
        <td class="name">
          <a href={addressOf(task)}>{titleOf(task)}</a>{" "}
          {task.copy_of !== null && (
            <span class="badge" title="Labelled again by somebody who does not know it">
              blind copy
            </span>
          )}
          {task.reason && (
            <p class="dim">
              {task.state === "skipped" ? "Skipped" : "Sent back"}: {task.reason}
              {task.faults.map((fault) => (
                <span key={fault} class="badge">
                  {FAULTS[fault] ?? fault}
                </span>
              ))}
            </p>
          )}
        </td>
        <td>
          <span class={`badge ${badge}`}>{words}</span>
          {task.findings > 0 && task.state !== "accepted" && (
            <span class="badge warn" title="What rules have found in these frames">
              {count(task.findings, "finding")}
            </span>
          )}
          {task.state === "submitted" && FLAGS[task.flag] && (
            <span class="badge" title="Why somebody is to review it">
              {FLAGS[task.flag]}
            </span>
          )}
          {task.priority !== 1 && (
            <span class={`badge ${task.priority > 1 ? "danger" : ""}`}>
              {PRIORITIES[task.priority]}
            </span>
          )}
        </td>
        <td>
          <Due task={task} />
        </td>
        <td class={task.assignee ? "" : "dim"}>
          {props.team.length > 0 && task.state !== "accepted" ? (
            <Assignee task={task} team={props.team} act={act} />
          ) : task.mine ? (
            "you"
          ) : (
            (task.assignee?.name ?? ANYBODY)
          )}
        </td>
        <td class="acts">
          <Buttons task={task} role={props.role} act={act} ask={setAsking} isAsking={!!asking} />
        </td>
      </tr>
      {asking && (
        <tr>
          <td colSpan={isManager ? 6 : 5}>
            {asking === "send back" && (
              <SendBack
                onSend={(reason, faults) => done(api.sendBackTask(task.id, reason, faults))}
                onLeave={leave}
              />
            )}
            {asking === "skip" && (
              <Skip
                onSkip={(why, note) => done(api.skipTask(task.id, why, note))}
                onLeave={leave}
              />
            )}
            {asking === "again" && (
              <LabelAgain
                isGold={task.state === "accepted"}
                team={props.team}
                onCopy={(people, prelabel) => done(api.labelAgain(task.id, people, prelabel))}
                onLeave={leave}
              />
            )}
            {asking === "split" && (
              <Split
                frames={task.last_frame - task.first_frame + 1}
                onSplit={(frames, overlap) => done(api.splitScene(task.scene, frames, overlap))}
                onLeave={leave}
              />
            )}
          </td>
        </tr>
      )}
    </>
  );
}

function Buttons(props: {
  task: Task;
  role: Project["role"];
  act: Act;
  ask: (what: Asking) => void;
  isAsking: boolean;
}): JSX.Element {
  const { task, act, ask } = props;
  const isManager = mayManage(props.role);
  const isReviewer = mayReview(props.role);
  const isOurs = task.assignee === null || task.mine || isManager;
  const mayDo = mayLabel(props.role) && isOurs && isToLabel(task);
  return (
    <div class="row">
      <a class="button" href={addressOf(task)}>
        Open
      </a>
      {mayDo && (
        <button type="button" onClick={() => act(api.submitTask(task.id))}>
          Submit
        </button>
      )}
      {isReviewer && task.state === "submitted" && (
        <button type="button" class="primary" onClick={() => act(api.acceptTask(task.id))}>
          Accept
        </button>
      )}
      {!props.isAsking && (
        <>
          {isReviewer && mayBeSentBack(task) && (
            <button type="button" onClick={() => ask("send back")}>
              Send back…
            </button>
          )}
          {mayDo && (
            <button type="button" class="quiet" onClick={() => ask("skip")}>
              Skip…
            </button>
          )}
          {isManager && task.state === "open" && task.last_frame > task.first_frame && (
            <button type="button" class="quiet" onClick={() => ask("split")}>
              Split…
            </button>
          )}
          {isOurs && task.state === "in_progress" && (
            <button
              type="button"
              class="quiet"
              title="What was labelled stays"
              onClick={() => act(api.giveUpTask(task.id))}
            >
              Give up
            </button>
          )}
          {isManager && task.copy_of === null && task.state !== "skipped" && (
            <button
              type="button"
              class="quiet"
              title="Others label the same frames, and do not know it"
              onClick={() => ask("again")}
            >
              Label again…
            </button>
          )}
          {isManager && task.state === "skipped" && (
            <button type="button" onClick={() => act(api.reopenTask(task.id))}>
              Open again
            </button>
          )}
        </>
      )}
    </div>
  );
}

function Due({ task }: { task: Task }): JSX.Element | null {
  if (!task.due) return null;
  const isLate = task.state !== "accepted" && task.due < new Date().toISOString().slice(0, 10);
  return <span class={isLate ? "error" : "dim"}>{task.due}</span>;
}

const ANYBODY = "whoever comes first";

function Assignee(props: { task: Task; team: readonly Member[]; act: Act }): JSX.Element {
  const { task } = props;
  const has = task.assignee;
  // Somebody who has left the team still has the task until it is given to somebody else.
  const isGone = has !== null && !props.team.some(({ user }) => user.id === has.id);
  return (
    <select
      class="short"
      aria-label={`Labeller of ${titleOf(task)}`}
      value={has?.id ?? ""}
      onChange={(event) => {
        const chosen = event.currentTarget.value;
        props.act(api.assignTask(task.id, chosen ? Number(chosen) : null));
      }}
    >
      <option value="">{ANYBODY}</option>
      {isGone && <option value={has.id}>{has.name} (left the team)</option>}
      {props.team.map(({ user }) => (
        <option key={user.id} value={user.id}>
          {user.name}
        </option>
      ))}
    </select>
  );
}
