import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useActs, useLoaded, Waiting } from "@/panels/Page";
import type { LabelClass } from "@/protocol/messages";
import { api, type ClassWish, mayManage, type Project } from "@/sync/api";

/** What is labelled: the project's classes, in the order of lists and of the keys 1 to 9. */
export function Classes({ project }: { project: Project }): JSX.Element {
  const classes = useLoaded(() => api.classes(project.id), project.id);
  const { error, act } = useActs(classes.reload);
  const all = classes.value ?? [];
  const isManager = mayManage(project.role);
  const move = (at: number, by: -1 | 1) => {
    const ids = all.map(({ id }) => id);
    const [moved] = ids.splice(at, 1);
    ids.splice(at + by, 0, moved!);
    void act(api.orderClasses(project.id, ids));
  };
  return (
    <section aria-label="Classes" class="stack">
      {isManager && (
        <>
          <p class="dim">
            A change reaches everybody at once. Objects keep the class that they have; what has
            objects is archived instead of deleted.
          </p>
          <NewClass onMake={(name) => act(api.addClass(project.id, { name }))} />
        </>
      )}
      <Waiting of={classes} what="the classes" />
      <Failure words={error} />
      {all.length > 0 && (
        <table aria-label="Classes">
          <thead>
            <tr>
              <th>Key</th>
              <th>Name</th>
              <th>Kind of</th>
              <th>When to choose it</th>
              <th title="Longer objects are asked about when rules look at labels">Longest</th>
              <th title="One track a scene, such as the road">Stuff</th>
              {isManager && <th />}
            </tr>
          </thead>
          <tbody>
            {all.map((one, at) =>
              isManager ? (
                <Row
                  // Anew when the server has another word for it: what was typed and refused goes.
                  key={`${one.id} ${JSON.stringify(one)} ${error}`}
                  one={one}
                  at={at}
                  all={all}
                  change={(wish) => void act(api.changeClass(project.id, one.id, wish))}
                  remove={() => void act(api.removeClass(project.id, one.id))}
                  move={(by) => move(at, by)}
                />
              ) : (
                <tr key={one.id} class={one.is_archived ? "dim" : ""}>
                  <td>{keyOf(all, one)}</td>
                  <td>
                    <Swatch colour={one.colour} /> {one.name} {one.is_archived && "(archived)"}
                  </td>
                  <td>{all.find(({ id }) => id === one.parent)?.name}</td>
                  <td>{one.hint}</td>
                  <td>{one.longest_m !== null && `${one.longest_m} m`}</td>
                  <td>{one.is_stuff ? "yes" : ""}</td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** The key that begins an object of the class: as in the workspace, archived ones have none. */
function keyOf(all: readonly LabelClass[], one: LabelClass): string {
  const at = all.filter(({ is_archived }) => !is_archived).indexOf(one);
  return at >= 0 && at < 9 ? String(at + 1) : "";
}

const Swatch = ({ colour }: { colour: string }): JSX.Element => (
  <i class="swatch" style={{ background: colour }} aria-hidden="true" />
);

function NewClass(props: { onMake: (name: string) => Promise<boolean> }): JSX.Element {
  const [name, setName] = useState("");
  const make = async (event: Event) => {
    event.preventDefault();
    if (await props.onMake(name.trim())) setName("");
  };
  return (
    <form class="row" onSubmit={make}>
      <input
        class="short"
        aria-label="Name of a new class"
        placeholder="New class"
        value={name}
        maxLength={60}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" disabled={!name.trim()}>
        Add class
      </button>
    </form>
  );
}

function Row(props: {
  one: LabelClass;
  at: number;
  all: readonly LabelClass[];
  change: (wish: Partial<ClassWish>) => void;
  remove: () => void;
  move: (by: -1 | 1) => void;
}): JSX.Element {
  const { one, at, all, change } = props;
  const parents = all.filter(({ id, parent }) => id !== one.id && parent === null);
  const changed = (name: "name" | "hint") => (event: { currentTarget: HTMLInputElement }) => {
    const value = event.currentTarget.value.trim();
    if (value !== one[name] && (value || name === "hint")) change({ [name]: value });
  };
  return (
    <tr class={one.is_archived ? "dim" : ""}>
      <td>{keyOf(all, one)}</td>
      <td>
        <div class="row plain">
          <input
            type="color"
            aria-label={`Colour of ${one.name}`}
            value={one.colour}
            onChange={(event) => change({ colour: event.currentTarget.value })}
          />
          <input
            class="grow"
            aria-label={`Name of ${one.name}`}
            defaultValue={one.name}
            maxLength={60}
            onChange={changed("name")}
          />
        </div>
      </td>
      <td>
        <select
          aria-label={`What ${one.name} is a kind of`}
          value={one.parent ?? ""}
          onChange={(event) => change({ parent: Number(event.currentTarget.value) || null })}
        >
          <option value="">–</option>
          {parents.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </td>
      <td>
        <input
          class="wide"
          aria-label={`When to choose ${one.name}`}
          defaultValue={one.hint}
          maxLength={200}
          onChange={changed("hint")}
        />
      </td>
      <td>
        <label class="row plain">
          <input
            class="tiny"
            type="number"
            min={0.01}
            max={1000}
            step="any"
            aria-label={`How long ${one.name} is at most, in metres`}
            defaultValue={one.longest_m ?? ""}
            onChange={(event) => {
              const { value, valueAsNumber, validity } = event.currentTarget;
              if (validity.valid) change({ longest_m: value ? valueAsNumber : null });
            }}
          />
          m
        </label>
      </td>
      <td>
        <input
          type="checkbox"
          aria-label={`${one.name} is stuff`}
          checked={one.is_stuff}
          onChange={(event) => change({ is_stuff: event.currentTarget.checked })}
        />
      </td>
      <td class="acts">
        <div class="row">
          <button
            type="button"
            class="quiet"
            aria-label={`${one.name} up`}
            disabled={at === 0}
            onClick={() => props.move(-1)}
          >
            ↑
          </button>
          <button
            type="button"
            class="quiet"
            aria-label={`${one.name} down`}
            disabled={at === all.length - 1}
            onClick={() => props.move(1)}
          >
            ↓
          </button>
          <button type="button" onClick={() => change({ is_archived: !one.is_archived })}>
            {one.is_archived ? "Use again" : "Archive"}
          </button>
          <button type="button" class="quiet" onClick={props.remove}>
            Delete
          </button>
        </div>
      </td>
    </tr>
  );
}
