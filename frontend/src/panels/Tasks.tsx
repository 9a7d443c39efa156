import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { TASK_STATES } from "@/panels/taskStates";
import { api, type Member, mayManage, type Project, type Task } from "@/sync/api";

export function Tasks(props: { project: Project }): JSX.Element {
  const tasks = useLoaded(() => api.tasks(props.project.id), props.project.id);
  const team = useLoaded(
    async () => (mayManage(props.project.role) ? api.members(props.project.id) : []),
    props.project.id,
  );
  const [error, setError] = useState("");
  const act = async (action: Promise<Task>) => {
    setError("");
    try {
      await action;
    } catch (failure) {
      setError(wordsFor(failure));
    }
    tasks.reload();
  };
  return (
    <section aria-label="Tasks" class="stack">
      <Waiting of={tasks} what="the tasks" />
      <Failure words={error} />
      {tasks.value?.length === 0 && (
        <div class="empty">
          <h2>No tasks yet</h2>
          <p>Every imported scene opens one.</p>
        </div>
      )}
      {tasks.value && tasks.value.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Scene</th>
              <th>State</th>
              <th>Labeller</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {tasks.value.map((task) => (
              <Row
                key={task.id}
                task={task}
                role={props.project.role}
                team={team.value ?? []}
                act={act}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row(props: {
  task: Task;
  role: Project["role"];
  team: readonly Member[];
  act: (action: Promise<Task>) => void;
}): JSX.Element {
  const { task } = props;
  const [isAsking, setAsking] = useState(false);
  const { words, badge } = TASK_STATES[task.state];
  const mayReview = props.role !== "annotator";
  const sendBack = (reason: string) => {
    props.act(api.sendBackTask(task.id, reason));
    setAsking(false);
  };
  return (
    <>
      <tr class={isAsking ? "opened" : ""}>
        <td class="name">
          <a href={`/scenes/${task.scene}?task=${task.id}`}>{task.scene_name}</a>
          {task.reason && <p class="dim">Sent back: {task.reason}</p>}
        </td>
        <td>
          <span class={`badge ${badge}`}>{words}</span>
        </td>
        <td class={task.assignee ? "" : "dim"}>
          {props.team.length > 0 && task.state !== "accepted" ? (
            <Assignee task={task} team={props.team} act={props.act} />
          ) : task.mine ? (
            "you"
          ) : (
            (task.assignee?.name ?? ANYBODY)
          )}
        </td>
        <td class="acts">
          <div class="row">
            <a class="button" href={`/scenes/${task.scene}?task=${task.id}`}>
              Open
            </a>
            {(task.state === "open" || task.state === "sent_back") && (
              <button type="button" onClick={() => props.act(api.submitTask(task.id))}>
                Submit
              </button>
            )}
            {mayReview && task.state === "submitted" && (
              <button
                type="button"
                class="primary"
                onClick={() => props.act(api.acceptTask(task.id))}
              >
                Accept
              </button>
            )}
            {mayReview && !isAsking && mayBeSentBack(task) && (
              <button type="button" onClick={() => setAsking(true)}>
                Send back…
              </button>
            )}
          </div>
        </td>
      </tr>
      {isAsking && (
        <tr>
          <td colSpan={4}>
            <SendBack onSend={sendBack} onLeave={() => setAsking(false)} />
          </td>
        </tr>
      )}
    </>
  );
}

const ANYBODY = "whoever comes first";

function Assignee(props: {
  task: Task;
  team: readonly Member[];
  act: (action: Promise<Task>) => void;
}): JSX.Element {
  const { task } = props;
  const has = task.assignee;
  // Somebody who has left the team still has the task until it is given to somebody else.
  const isGone = has !== null && !props.team.some(({ user }) => user.id === has.id);
  return (
    <select
      class="short"
      aria-label={`Labeller of ${task.scene_name}`}
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

const mayBeSentBack = (task: Task): boolean =>
  task.state === "submitted" || task.state === "accepted";

function SendBack(props: { onSend: (reason: string) => void; onLeave: () => void }): JSX.Element {
  const [reason, setReason] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (reason.trim()) props.onSend(reason.trim());
  };
  return (
    <form class="row" onSubmit={submit}>
      <input
        class="grow"
        aria-label="Why it is sent back"
        placeholder="Why? The labeller reads it."
        value={reason}
        onInput={(event) => setReason(event.currentTarget.value)}
        maxLength={2000}
        required
        autofocus
      />
      <button type="submit" class="dangerous" disabled={!reason.trim()}>
        Send back
      </button>
      <button type="button" class="quiet" onClick={props.onLeave}>
        Cancel
      </button>
    </form>
  );
}
