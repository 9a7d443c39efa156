import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { FAULTS, WHY_SKIPPED } from "@/panels/taskStates";
import type { Member } from "@/sync/api";

/** Why work is sent back: kinds of faults, to be counted, and words, to be read. */
export function SendBack(props: {
  onSend: (reason: string, faults: string[]) => void;
  onLeave: () => void;
}): JSX.Element {
  const [reason, setReason] = useState("");
  const [faults, setFaults] = useState<ReadonlySet<string>>(new Set());
  const toggle = (fault: string) => {
    const next = new Set(faults);
    if (!next.delete(fault)) next.add(fault);
    setFaults(next);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (reason.trim()) props.onSend(reason.trim(), [...faults]);
  };
  return (
    <form class="stack tight" onSubmit={submit} aria-label="Send back">
      <fieldset class="plain row" aria-label="What is wrong">
        {Object.entries(FAULTS).map(([fault, words]) => (
          <button
            key={fault}
            type="button"
            class="chip"
            aria-pressed={faults.has(fault)}
            onClick={() => toggle(fault)}
          >
            {words}
          </button>
        ))}
      </fieldset>
      <div class="row">
        <input
          class="grow"
          aria-label="Why it is sent back"
          placeholder="What must be changed? The labeller reads it."
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
          maxLength={2000}
          required
          ref={(input) => input?.focus()} // the button that opened it has gone
        />
        <button type="submit" class="dangerous" disabled={!reason.trim()}>
          Send back
        </button>
        <button type="button" class="quiet" onClick={props.onLeave}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** Why a task cannot be done. */
export function Skip(props: {
  onSkip: (why: string, note: string) => void;
  onLeave: () => void;
}): JSX.Element {
  const [why, setWhy] = useState("nothing");
  const [note, setNote] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    props.onSkip(why, note.trim());
  };
  return (
    <form class="row" onSubmit={submit} aria-label="Skip">
      <select
        aria-label="Why it is skipped"
        value={why}
        onChange={(event) => setWhy(event.currentTarget.value)}
      >
        {Object.entries(WHY_SKIPPED).map(([key, words]) => (
          <option key={key} value={key}>
            {words}
          </option>
        ))}
      </select>
      <input
        class="grow"
        aria-label="More about it"
        placeholder={why === "other" ? "What is it?" : "More about it, if need be"}
        value={note}
        onInput={(event) => setNote(event.currentTarget.value)}
        maxLength={2000}
        required={why === "other"}
      />
      <button type="submit">Skip the task</button>
      <button type="button" class="quiet" onClick={props.onLeave}>
        Cancel
      </button>
    </form>
  );
}

/** Several tasks instead of one, of so many frames each. */
export function Split(props: {
  frames: number;
  onSplit: (frames: number, overlap: number) => void;
  onLeave: () => void;
}): JSX.Element {
  const [frames, setFrames] = useState(Math.min(50, Math.ceil(props.frames / 2)));
  const [overlap, setOverlap] = useState(1);
  const submit = (event: Event) => {
    event.preventDefault();
    props.onSplit(frames, overlap);
  };
  return (
    <form class="row" onSubmit={submit} aria-label="Split">
      <label>
        Tasks of{" "}
        <input
          class="tiny"
          type="number"
          min={1}
          max={props.frames}
          value={frames}
          required
          onInput={(event) => setFrames(event.currentTarget.valueAsNumber)}
        />{" "}
        frames
      </label>
      <label title="Frames that two neighbours have in common, so that tracks can be joined">
        overlapping by{" "}
        <input
          class="tiny"
          type="number"
          min={0}
          max={Math.max(0, frames - 1)}
          value={overlap}
          required
          onInput={(event) => setOverlap(event.currentTarget.valueAsNumber)}
        />
      </label>
      <button type="submit">Split</button>
      <button type="button" class="quiet" onClick={props.onLeave}>
        Cancel
      </button>
    </form>
  );
}

/** Others label the same frames: who they are, or how many come from the queue. */
export function LabelAgain(props: {
  isGold: boolean;
  team: readonly Member[];
  onCopy: (people: (number | null)[], prelabel: boolean) => void;
  onLeave: () => void;
}): JSX.Element {
  const [people, setPeople] = useState<ReadonlySet<number>>(new Set());
  const [anybody, setAnybody] = useState(props.team.length > 1 ? 0 : 1);
  const [prelabel, setPrelabel] = useState(false);
  const toggle = (id: number) => {
    const next = new Set(people);
    if (!next.delete(id)) next.add(id);
    setPeople(next);
  };
  const copies = people.size + (anybody || 0);
  const submit = (event: Event) => {
    event.preventDefault();
    if (copies) props.onCopy([...people, ...Array<null>(anybody).fill(null)], prelabel);
  };
  return (
    <form class="stack tight" onSubmit={submit} aria-label="Label again">
      <p class="dim">
        {props.isGold
          ? "These frames are accepted, so that they are gold: whoever labels them again is compared with it."
          : "These frames are not accepted: whoever labels them is compared with the others."}{" "}
        Each gets a drive of the same name without labels, and sees neither the original nor other
        copies.
      </p>
      <fieldset class="plain row" aria-label="By whom">
        {props.team
          .filter(({ role }) => role === "annotator")
          .map(({ user }) => (
            <button
              key={user.id}
              type="button"
              class="chip"
              aria-pressed={people.has(user.id)}
              onClick={() => toggle(user.id)}
            >
              {user.name}
            </button>
          ))}
        <label>
          and{" "}
          <input
            class="tiny"
            type="number"
            min={0}
            max={10}
            value={anybody}
            required
            onInput={(event) => setAnybody(event.currentTarget.valueAsNumber)}
          />{" "}
          of whoever comes first in the queue
        </label>
      </fieldset>
      <div class="row">
        <label class="row">
          <input
            type="checkbox"
            checked={prelabel}
            onChange={(event) => setPrelabel(event.currentTarget.checked)}
          />
          pre-label them first
        </label>
        <span class="grow" />
        <button type="submit" class="primary" disabled={!copies}>
          {copies === 1 ? "Make a blind copy" : `Make ${copies || ""} blind copies`}
        </button>
        <button type="button" class="quiet" onClick={props.onLeave}>
          Cancel
        </button>
      </div>
    </form>
  );
}
