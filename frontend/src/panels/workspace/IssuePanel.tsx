import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { FAULTS } from "@/panels/taskStates";
import type { DeleteMasks, DeleteTrack, Issue, UpdateTrack } from "@/protocol/messages";
import type { IssueDraft } from "@/store/Issues";
import { api } from "@/sync/api";
import { attempt } from "./attempt";
import type { Room } from "./Room";
import { useNewsOf } from "./watching";

/** Whose issues are listed. */
type Whose = "all" | "people" | "rules";

const WHOSE: Record<Whose, string> = { all: "all", people: "people's", rules: "rules'" };

/** What people have said of places in the scene: pinned, with answers, and with what they suggest. */
export function IssuePanel({ room }: { room: Room }): JSX.Element {
  const { issues, timeline, document, scene } = room;
  useNewsOf(issues.changed, timeline.changed, document.changed, scene.changed);
  const [areResolvedShown, setResolvedShown] = useState(false);
  const [whose, setWhose] = useState<Whose>("all");
  const all = issues
    .inOrder()
    .filter(({ rule }) => whose === "all" || !rule === (whose === "people"));
  const found = issues.inOrder().filter(({ rule, is_open }) => rule && is_open);
  const resolved = all.filter(({ is_open }) => !is_open);
  const shown = all.filter(
    ({ id, is_open }) => is_open || areResolvedShown || id === issues.chosen,
  );
  return (
    <section class="issue-list" aria-label="Issues">
      {issues.draft ? (
        <Composer key={JSON.stringify(issues.draft)} room={room} draft={issues.draft} />
      ) : (
        <div class="list-head">
          <button type="button" class="small" onClick={() => room.setTool("issue")}>
            Pin an issue <kbd>I</kbd>
          </button>
          {resolved.length > 0 && (
            <label class="row small">
              <input
                type="checkbox"
                checked={areResolvedShown}
                onChange={(event) => setResolvedShown(event.currentTarget.checked)}
              />
              {resolved.length} resolved
            </label>
          )}
        </div>
      )}
      {!issues.draft && found.length > 0 && (
        <div class="list-head">
          <span class="row">
            {(Object.keys(WHOSE) as Whose[]).map((choice) => (
              <button
                key={choice}
                type="button"
                class="chip"
                aria-pressed={choice === whose}
                onClick={() => setWhose(choice)}
              >
                {WHOSE[choice]}
              </button>
            ))}
          </span>
          {whose === "rules" && scene.mayEdit && (
            <button
              type="button"
              class="small quiet"
              title="Somebody has looked at all of them: they stay resolved when the rules find them again"
              onClick={() =>
                void attempt(room, async () => {
                  const ids = found.map(({ id }) => id);
                  for (const issue of await api.resolveIssues(scene.id, ids)) issues.put(issue);
                })
              }
            >
              Resolve all {found.length}
            </button>
          )}
        </div>
      )}
      <div class="list">
        {shown.map((issue) => (
          <OneIssue
            key={issue.id}
            room={room}
            issue={issue}
            isChosen={issue.id === issues.chosen}
            isHere={issue.frame === timeline.frame}
          />
        ))}
        {!shown.length && !issues.draft && (
          <p class="hint">
            Nobody has anything to say here. Press <kbd>I</kbd> and click a place to pin an issue to
            it.
          </p>
        )}
      </div>
    </section>
  );
}

type Suggestion = UpdateTrack | DeleteTrack | DeleteMasks;

/** Writes a new issue. What can be suggested is about the object under the pin. */
function Composer({ room, draft }: { room: Room; draft: IssueDraft }): JSX.Element {
  const [text, setText] = useState("");
  const [fault, setFault] = useState("");
  const [wish, setWish] = useState("");
  const [isBusy, setBusy] = useState(false);
  const track = draft.track === null ? undefined : room.document.tracks.get(draft.track);
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy || !text.trim()) return;
    setBusy(true);
    await attempt(room, async () => {
      const made = await api.raiseIssue(room.scene.id, {
        ...draft,
        text: text.trim(),
        fault,
        suggestion: track ? suggestionOf(wish, track.number, draft.frame) : null,
      });
      room.issues.leave();
      room.issues.put(made); // its news may be on the way still
      room.issues.choose(made.id);
      room.setTool("select");
    });
    setBusy(false);
  };
  return (
    <form class="composer" aria-label="New issue" onSubmit={send}>
      <p class="dim">
        Frame {draft.frame}
        {track && <> · {room.nameOf(track)}</>}
        {draft.sensor === null && " as a whole"}
        {draft.sensor !== null && <> · {room.scene.sensors.get(draft.sensor)?.name}</>}
      </p>
      <textarea
        rows={3}
        aria-label="What is it?"
        placeholder="What is it? @name tells somebody."
        value={text}
        maxLength={4000}
        ref={focusOnce}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send(event);
        }}
      />
      <select
        aria-label="Kind of fault"
        value={fault}
        onChange={(event) => setFault(event.currentTarget.value)}
      >
        <option value="">no fault, a remark</option>
        {Object.entries(FAULTS).map(([key, words]) => (
          <option key={key} value={key}>
            {words}
          </option>
        ))}
      </select>
      {track && (
        <select
          aria-label="What you suggest"
          value={wish}
          onChange={(event) => setWish(event.currentTarget.value)}
        >
          <option value="">suggest nothing</option>
          <option value="delete masks">suggest: delete its masks in this frame</option>
          <option value="delete track">suggest: delete it in all frames</option>
          {room
            .offeredClasses()
            .filter(({ id }) => id !== track.label_class)
            .map(({ id, name }) => (
              <option key={id} value={String(id)}>
                suggest: make it {name}
              </option>
            ))}
        </select>
      )}
      <div class="row">
        <button type="submit" class="primary" disabled={isBusy || !text.trim()}>
          Pin it
        </button>
        <button type="button" class="quiet" onClick={() => room.issues.leave()}>
          Cancel
        </button>
      </div>
    </form>
  );
}

function suggestionOf(wish: string, track: number, frame: number): Suggestion | null {
  if (wish === "") return null;
  if (wish === "delete track") return { kind: "delete_track", track };
  if (wish === "delete masks") {
    return { kind: "delete_masks", track, first_frame: frame, last_frame: frame, sensors: null };
  }
  return { kind: "update_track", track, label_class: Number(wish), name: null, draw_order: null };
}

function OneIssue(props: {
  room: Room;
  issue: Issue;
  isChosen: boolean;
  isHere: boolean;
}): JSX.Element {
  const { room, issue, isChosen } = props;
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    if (isChosen) card.current?.scrollIntoView({ block: "nearest" });
  }, [isChosen]);
  const [first, ...answers] = issue.comments;
  const track = issue.track === null ? undefined : room.document.tracks.get(issue.track);
  const state = [
    isChosen && "selected",
    !issue.is_open && "resolved",
    !props.isHere && "elsewhere",
  ];
  return (
    <article ref={card} class={`issue ${state.filter(Boolean).join(" ")}`}>
      <button
        type="button"
        class="issue-head"
        aria-pressed={isChosen}
        title="Go there"
        onClick={() => room.goToIssue(issue.id)}
      >
        <span class={`badge ${issue.is_open ? "warn" : ""}`}>frame {issue.frame}</span>
        {track && <span class="name">{room.nameOf(track)}</span>}
        {issue.rule ? (
          <span class="badge" title="A rule has found this">
            {issue.rule}
          </span>
        ) : (
          issue.fault && <span class="dim">{FAULTS[issue.fault] ?? issue.fault}</span>
        )}
      </button>
      {first && (
        <Words
          by={issue.rule ? "" : (issue.by?.name ?? "somebody")}
          text={first.text}
          at={first.at}
        />
      )}
      {isChosen &&
        answers.map(({ by, text, at }) => (
          <Words key={at} by={by?.name ?? "somebody"} text={text} at={at} />
        ))}
      {!isChosen && answers.length > 0 && (
        <p class="dim">{answers.length === 1 ? "1 answer" : `${answers.length} answers`}</p>
      )}
      {issue.suggests && (
        <p class="suggestion">
          <span>
            Suggests: {issue.suggests}
            {issue.verdict && <span class="dim"> ({issue.verdict})</span>}
          </span>
          {!issue.verdict && issue.is_open && room.scene.mayEdit && (
            <span class="row">
              <button
                type="button"
                class="small primary"
                onClick={() => void room.decideIssue(issue.id, true)}
              >
                Do it {isChosen && <kbd>Y</kbd>}
              </button>
              <button
                type="button"
                class="small quiet"
                onClick={() => void room.decideIssue(issue.id, false)}
              >
                Decline
              </button>
            </span>
          )}
        </p>
      )}
      {isChosen && <Reply room={room} issue={issue} />}
    </article>
  );
}

function Words(props: { by: string; text: string; at: string }): JSX.Element {
  return (
    <p class="said">
      {props.by && <strong title={new Date(props.at).toLocaleString()}>{props.by}</strong>}{" "}
      {props.text}
    </p>
  );
}

function Reply({ room, issue }: { room: Room; issue: Issue }): JSX.Element {
  const [text, setText] = useState("");
  const say = (event: Event): void => {
    event.preventDefault();
    const words = text.trim();
    if (!words) return;
    void attempt(room, async () => {
      room.issues.put(await api.answerIssue(issue.id, words));
      setText("");
    });
  };
  return (
    <form class="row" onSubmit={say}>
      <input
        class="grow"
        aria-label="Answer"
        placeholder="Answer"
        value={text}
        maxLength={4000}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="small" disabled={!text.trim()}>
        Say
      </button>
      <button
        type="button"
        class="small quiet"
        onClick={() =>
          void attempt(room, async () =>
            room.issues.put(await api.setIssueOpen(issue.id, !issue.is_open)),
          )
        }
      >
        {issue.is_open ? "Resolve" : "Open again"}
      </button>
    </form>
  );
}

const focusOnce = (field: HTMLTextAreaElement | null): void => {
  if (field && !field.value) field.focus();
};
