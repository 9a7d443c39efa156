import type { JSX } from "preact";
import { memo } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Job, Track } from "@/protocol/messages";
import { colourOfTrack, hexOfRgb } from "@/store/colours";
import { IconButton } from "./icons";
import type { Room } from "./Room";
import { only, useNewsOf } from "./watching";

const RATES = [2, 5, 10, 20, 30];

export function TimelineBar({ room }: { room: Room }): JSX.Element {
  return (
    <section class="timeline" aria-label="Timeline">
      <Controls room={room} />
      <Scale room={room} />
    </section>
  );
}

function Controls({ room }: { room: Room }): JSX.Element {
  const { timeline, scene, cache } = room;
  useNewsOf(timeline.changed, scene.changed, cache.status);
  const { frame, frameCount, playing } = timeline;
  const { isConnected, bytesPerSecond, error } = room.cacheStatus;
  const isWaiting = playing && !cache.isReady(frame + timeline.direction) && frame < frameCount - 1;
  return (
    <div class="timeline-head">
      <div class="transport">
        <IconButton icon="previous" label="Previous frame (D)" onClick={() => timeline.step(-1)} />
        <IconButton
          icon={playing ? "pause" : "play"}
          class="play"
          label={playing ? "Stop (Space)" : "Play (Space)"}
          onClick={() => room.togglePlay()}
        />
        <IconButton icon="next" label="Next frame (F)" onClick={() => timeline.step(1)} />
      </div>
      <label class="frame-number">
        Frame
        <input
          type="number"
          min={0}
          max={Math.max(0, frameCount - 1)}
          value={frame}
          onChange={(event) => {
            timeline.stop();
            timeline.seek(Number(event.currentTarget.value));
            event.currentTarget.blur();
          }}
        />
        <span>/ {Math.max(0, frameCount - 1)}</span>
      </label>
      <span class="time">{secondsAt(room, frame)}</span>
      <select
        class="rate"
        aria-label="Frames a second"
        value={timeline.ratePerSecond}
        onChange={(event) => {
          timeline.setRate(Number(event.currentTarget.value));
          event.currentTarget.blur(); // so that the next key is a key of the workspace
        }}
      >
        {RATES.map((rate) => (
          <option key={rate} value={rate}>
            {rate} / s
          </option>
        ))}
      </select>
      <FollowControls room={room} />
      <span class="grow" />
      <SlowQuestion room={room} />
      <RunningJobs room={room} />
      <span class={`traffic ${error ? "bad" : ""}`} role="status" title={error ?? undefined}>
        {error ??
          (isWaiting
            ? "Loading…"
            : isConnected && bytesPerSecond > 1e4
              ? `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`
              : "")}
      </span>
    </div>
  );
}

function secondsAt({ scene }: Room, frame: number): string {
  const [first, now] = [scene.frames[0], scene.frames[frame]];
  return first && now ? `${((now.timestamp_us - first.timestamp_us) / 1e6).toFixed(1)} s` : "";
}

function FollowControls({ room }: { room: Room }): JSX.Element | null {
  const { selection, timeline, document, scene } = room;
  useNewsOf(only(selection.changed, "track"), document.changed, scene.changed);
  const [count, setCount] = useState(20);
  if (!scene.mayEdit) return null;
  const track = selection.track === null ? undefined : document.tracks.get(selection.track);
  const why = !track
    ? "Select an object first"
    : room.hasMaskHere(track)
      ? null
      : "The object has no mask in this frame: click it here first";
  const { frame, frameCount } = timeline;
  const [start, end] = room.followable;
  return (
    <fieldset class="follow" disabled={why !== null} title={why ?? undefined}>
      <legend class="visually-hidden">Follow the selected object through time</legend>
      <span>Follow</span>
      <button
        type="button"
        disabled={frame <= start}
        title="Back to the first frame"
        onClick={() => room.follow(start)}
      >
        ← start
      </button>
      <button
        type="button"
        disabled={frame >= frameCount - 1}
        onClick={() => room.follow(frame + count)}
      >
        {count} frames →
      </button>
      <input
        type="number"
        aria-label="How many frames to follow"
        min={1}
        max={999}
        value={count}
        onChange={(event) =>
          setCount(Math.max(1, Math.round(event.currentTarget.valueAsNumber) || 1))
        }
      />
      <button
        type="button"
        disabled={frame >= end}
        title="To the last frame (Ctrl+B)"
        onClick={() => room.follow(end)}
      >
        to end →
      </button>
    </fieldset>
  );
}

const SLOW_MS = 800;

/** A click that the model has not answered at once: the first one makes it read the scene. */
function SlowQuestion({ room }: { room: Room }): JSX.Element | null {
  const { prompts } = room;
  useNewsOf(prompts.changed);
  const { isAsking } = prompts;
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    if (!isAsking) return;
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => clearTimeout(timer);
  }, [isAsking]);
  if (!isAsking || !isSlow) return null;
  return (
    <div class="job-note" role="status">
      <span title="The model reads the scene when it is first asked about it.">
        Asking the model… the first click takes longest
      </span>
      <progress aria-label="Asking the model" />
      <button type="button" class="small" onClick={() => room.cancel()}>
        Cancel <kbd>Esc</kbd>
      </button>
    </div>
  );
}

const JOB_WORDS: Record<Job["kind"], string> = {
  click: "Click",
  propagate: "Following",
  import: "Importing",
  export: "Exporting",
  demo: "Making the demo drive",
  engine: "Pre-labelling",
  check: "Checking",
  compare: "Comparing",
};

function RunningJobs({ room }: { room: Room }): JSX.Element {
  const { jobs, document, scene } = room;
  useNewsOf(jobs.changed, document.changed);
  const shown = [...jobs.underWay.values()].filter(({ kind }) => kind !== "click");
  return (
    <>
      {shown.map(({ id, kind, track, done, total, request_id, state }) => {
        const known = track === null ? undefined : document.tracks.get(track);
        const words = `${JOB_WORDS[kind]} ${known ? room.nameOf(known) : ""}`;
        return (
          <div class="job-note" key={id}>
            <span>
              {words} {state === "waiting" ? "· waiting" : `· ${done} of ${total}`}
            </span>
            <progress aria-label={words} value={done} max={Math.max(1, total)} />
            {request_id && scene.mayEdit && (
              <button type="button" class="small" onClick={() => room.cancelJob(request_id)}>
                Cancel
              </button>
            )}
          </div>
        );
      })}
    </>
  );
}

/** The frames from left to right: what is loaded, where each object has masks, the playhead. */
function Scale({ room }: { room: Room }): JSX.Element {
  const { timeline, scene } = room;
  useNewsOf(timeline.changed, scene.changed);
  const scale = useRef<HTMLDivElement>(null);
  const count = Math.max(1, scene.expectedFrames, timeline.frameCount);
  const seekTo = (clientX: number): void => {
    const { left, width } = scale.current!.getBoundingClientRect();
    timeline.stop();
    timeline.seek(Math.floor(((clientX - left) / width) * count));
  };
  return (
    <div class="scale-rows">
      <div
        class="scale"
        ref={scale}
        role="slider"
        tabIndex={0}
        aria-label="Frame"
        aria-valuemin={0}
        aria-valuemax={Math.max(0, timeline.frameCount - 1)}
        aria-valuenow={timeline.frame}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          seekTo(event.clientX);
        }}
        onPointerMove={(event) => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) seekTo(event.clientX);
        }}
      >
        <Loaded room={room} count={count} />
        <TrackRows room={room} count={count} />
        <Outside room={room} count={count} />
        <IssueTicks room={room} count={count} />
        <i class="playhead" style={barStyle(timeline.frame, timeline.frame, count)} />
      </div>
    </div>
  );
}

const Loaded = memo(({ room, count }: { room: Room; count: number }): JSX.Element => {
  const { cache, timeline, scene } = room;
  useNewsOf(cache.status, scene.changed);
  return (
    <div class="loaded" aria-hidden="true">
      {timeline.frameCount < count && (
        <i class="missing" style={barStyle(timeline.frameCount, count - 1, count)} />
      )}
      {room.cacheStatus.loaded.map(([first, last]) => (
        <i key={first} style={barStyle(first, last, count)} />
      ))}
    </div>
  );
});

/** Frames that are not the task's are dimmed. */
function Outside({ room, count }: { room: Room; count: number }): JSX.Element | null {
  const { part } = room.scene; // drawn again with the scale
  if (!part) return null;
  const [first, last] = part;
  return (
    <div class="outside" aria-hidden="true">
      {first > 0 && <i style={barStyle(0, first - 1, count)} />}
      {last < count - 1 && <i style={barStyle(last + 1, count - 1, count)} />}
    </div>
  );
}

/** Where somebody has something to say. */
function IssueTicks({ room, count }: { room: Room; count: number }): JSX.Element {
  useNewsOf(room.issues.changed);
  const frames = new Set(
    room.issues
      .inOrder()
      .filter(({ is_open }) => is_open)
      .map(({ frame }) => frame),
  );
  return (
    <div class="issue-ticks" aria-hidden="true">
      {[...frames].map((frame) => (
        <i key={frame} style={barStyle(frame, frame, count)} />
      ))}
    </div>
  );
}

/** The selected object large, the others as lines. Playing does not draw them again. */
const TrackRows = memo(({ room, count }: { room: Room; count: number }): JSX.Element => {
  const { document, selection, appearance } = room;
  useNewsOf(
    document.changed,
    only(selection.changed, "track"),
    only(appearance.changed, "hidden", "isolated"),
  );
  const tracks = room.tracksInOrder().filter(({ mask_frames }) => mask_frames.length);
  const selected = tracks.find(({ number }) => number === selection.track);
  const others = tracks.filter((track) => track !== selected);
  return (
    <>
      <div class="selected-row">
        {selected ? (
          <Ranges room={room} track={selected} count={count} />
        ) : (
          <span class="hint">
            {tracks.length ? "Select an object to see where it is labelled" : ""}
          </span>
        )}
      </div>
      <div class="other-rows">
        {others.map((track) => (
          <div key={track.number} class="other-row" title={room.nameOf(track)}>
            <Ranges room={room} track={track} count={count} />
          </div>
        ))}
      </div>
    </>
  );
});

function Ranges(props: { room: Room; track: Track; count: number }): JSX.Element {
  const { room, track, count } = props;
  const labelClass = room.document.labelClasses.get(track.label_class);
  const background = hexOfRgb(colourOfTrack(track, labelClass));
  const opacity = room.appearance.isHidden(track.number) ? "0.25" : "1";
  return (
    <>
      {track.mask_frames.map(([first, last]) => (
        <i
          class="bar"
          key={first}
          style={{ ...barStyle(first!, last!, count), background, opacity }}
        />
      ))}
    </>
  );
}

/** first, last: frames, both inside. */
function barStyle(first: number, last: number, count: number): { left: string; width: string } {
  return { left: `${(100 * first) / count}%`, width: `${(100 * (last - first + 1)) / count}%` };
}
