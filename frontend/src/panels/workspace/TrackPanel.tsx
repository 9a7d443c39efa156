import type { JSX } from "preact";
import { memo } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import type { LabelClass, Track } from "@/protocol/messages";
import { colourOfTrack, hexOfRgb } from "@/store/colours";
import { Icon, IconButton } from "./icons";
import type { Room } from "./Room";
import { useNewsOf } from "./watching";

/** The class of new objects, and every object by class. */
export function TrackPanel({ room }: { room: Room }): JSX.Element {
  const { document, selection, appearance, scene, timeline } = room;
  useNewsOf(
    document.changed,
    selection.changed,
    appearance.changed,
    scene.changed,
    timeline.changed,
  );
  const [search, setSearch] = useState("");
  const tracks = room.tracksInOrder();
  const found = tracks.filter((track) => matches(room, track, search));
  const groups = room
    .labelClasses()
    .map((labelClass) => ({
      labelClass,
      tracks: found.filter(({ label_class }) => label_class === labelClass.id),
    }))
    .filter((group) => group.tracks.length);
  return (
    <aside class="track-panel" aria-label="Objects">
      {scene.mayEdit && <ClassChooser room={room} />}
      <div class="list-head">
        <h2>
          Objects <span class="count">{tracks.length}</span>
        </h2>
        {(appearance.isolated !== null ||
          tracks.some(({ number }) => appearance.isHidden(number))) && (
          <button type="button" class="small" onClick={() => appearance.showAll()}>
            Show all
          </button>
        )}
        <input
          type="search"
          placeholder="Find"
          aria-label="Find an object by name, number or class"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </div>
      <div class="list">
        {groups.map(({ labelClass, tracks: members }) => (
          <section key={labelClass.id} aria-label={labelClass.name}>
            <h3>
              <Swatch colour={labelClass.colour} /> {labelClass.name}
              <span class="count">{members.length}</span>
            </h3>
            <ul>
              {members.map((track) => (
                <TrackRow
                  key={track.number}
                  room={room}
                  track={track}
                  labelClass={labelClass}
                  mayEdit={scene.mayEdit}
                  isHere={room.isLabelledHere(track)}
                  isSelected={selection.track === track.number}
                  isHovered={selection.hoveredTrack === track.number}
                  isHidden={appearance.isHidden(track.number)}
                  isIsolated={appearance.isolated === track.number}
                />
              ))}
            </ul>
          </section>
        ))}
        {!tracks.length && <NoTracks room={room} />}
        {tracks.length > 0 && !found.length && <p class="hint">No object is called “{search}”.</p>}
      </div>
    </aside>
  );
}

function NoTracks({ room }: { room: Room }): JSX.Element {
  return room.scene.mayEdit ? (
    <div class="hint">
      <Icon name="click" />
      <p>
        <strong>Click an object in a picture or in the cloud.</strong>
      </p>
      <p>Its mask appears in every sensor that sees it. Right-click what does not belong to it.</p>
    </div>
  ) : (
    <p class="hint">Nothing is labelled in this scene yet.</p>
  );
}

function matches(room: Room, track: Track, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return true;
  const className = room.document.labelClasses.get(track.label_class)?.name ?? "";
  return [room.nameOf(track), className, `#${track.number}`].some((text) =>
    text.toLowerCase().includes(wanted),
  );
}

function Swatch({ colour }: { colour: string }): JSX.Element {
  return <i class="swatch" style={{ background: colour }} aria-hidden="true" />;
}

function ClassChooser({ room }: { room: Room }): JSX.Element {
  const { selection } = room;
  const isNew = selection.track === null && selection.tool === "click";
  return (
    <section class="class-chooser" aria-label="Class of new objects">
      <div class="list-head">
        <h2>New object</h2>
        <button
          type="button"
          class="small"
          title="The next click makes a new object (N)"
          disabled={isNew}
          onClick={() => room.beginObject()}
        >
          <Icon name="plus" /> New <kbd>N</kbd>
        </button>
      </div>
      <div class="classes">
        {room.offeredClasses().map((labelClass, index) => (
          <button
            key={labelClass.id}
            type="button"
            aria-pressed={selection.labelClass === labelClass.id}
            title={labelClass.hint || undefined}
            onClick={() => room.beginObject(labelClass.id)}
          >
            <Swatch colour={labelClass.colour} />
            <span class="class-name">{labelClass.name}</span>
            {index < 9 && <kbd>{index + 1}</kbd>}
          </button>
        ))}
      </div>
    </section>
  );
}

interface RowProps {
  room: Room;
  track: Track;
  labelClass: LabelClass;
  mayEdit: boolean;
  isHere: boolean; // in the frame that is shown
  isSelected: boolean;
  isHovered: boolean;
  isHidden: boolean;
  isIsolated: boolean;
}

/** Drawn again only when one of its own facts has changed: a drive has hundreds of them. */
const TrackRow = memo((props: RowProps): JSX.Element => {
  const { room, track, labelClass, isHere, isSelected, isHidden } = props;
  const { selection, appearance } = room;
  const { number } = track;
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isSelected) row.current?.scrollIntoView({ block: "nearest" });
  }, [isSelected]);
  const name = room.nameOf(track);
  const state = [isSelected && "selected", props.isHovered && "hovered"];
  return (
    <li
      ref={row}
      class={[...state, isHidden && "hidden", !isHere && "elsewhere"].filter(Boolean).join(" ")}
      onPointerEnter={() => selection.set({ hoveredTrack: number })}
      onPointerLeave={() => selection.set({ hoveredTrack: null })}
    >
      <button
        type="button"
        class="track-name"
        aria-pressed={isSelected}
        title={isHere ? `${name}: double-click to fly there` : `${name}: not in this frame`}
        onClick={() => selection.set({ track: number })}
        onDblClick={() => room.flyToTrack(number)}
      >
        <Swatch colour={hexOfRgb(colourOfTrack(track, labelClass))} />
        <span class="name">{name}</span>
        {track.source !== "person" && <small>{track.source}</small>}
      </button>
      <IconButton
        icon="isolate"
        class="on-hover"
        label={`Show ${name} alone`}
        isPressed={props.isIsolated}
        onClick={() => room.toggleIsolated(number)}
      />
      <IconButton
        icon={isHidden ? "eyeOff" : "eye"}
        label={isHidden ? `Show ${name}` : `Hide ${name}`}
        isPressed={isHidden}
        onClick={() => {
          if (appearance.isolated === null) appearance.setHidden(number, !isHidden);
          else appearance.isolate(null);
        }}
      />
      {isSelected && props.mayEdit && <TrackActions room={room} track={track} />}
    </li>
  );
});

function TrackActions({ room, track }: { room: Room; track: Track }): JSX.Element {
  return (
    <div class="track-actions">
      <select
        aria-label="Class of this object"
        value={track.label_class}
        onChange={(event) => {
          room.setClassOf(track.number, Number(event.currentTarget.value));
          event.currentTarget.blur(); // or the next key would choose a class by its first letter
        }}
      >
        {room
          .labelClasses()
          .filter(({ id, is_archived }) => !is_archived || id === track.label_class)
          .map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
      </select>
      <button type="button" class="small" onClick={() => room.flyToTrack(track.number)}>
        Fly to <kbd>T</kbd>
      </button>
      <IconButton
        icon="trash"
        class="danger"
        label="Delete in all frames (Shift+Del)"
        onClick={() => room.deleteTrack(track.number)}
      />
    </div>
  );
}
