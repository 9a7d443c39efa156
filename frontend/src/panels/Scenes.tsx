import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { count } from "@/panels/Projects";
import { api, type Project, type SceneSummary } from "@/sync/api";

const isArriving = (scenes: SceneSummary[]): boolean =>
  scenes.some((scene) => scene.state === "arriving");

export function Scenes(props: { project: Project }): JSX.Element {
  const { project } = props;
  const scenes = useLoaded(() => api.scenes(project.id), project.id, isArriving);
  const mayDelete = project.role === "manager" || project.role === "admin";
  return (
    <section aria-label="Scenes" class="stack">
      <Waiting of={scenes} what="the scenes" />
      {scenes.value?.length === 0 && (
        <div class="empty">
          <h2>No drive here yet</h2>
          {mayDelete ? (
            <p>
              <a href={`/projects/${project.id}/imports`}>Import a recording</a>: a Waymo segment,
              or an archive that Masklet wrote.
            </p>
          ) : (
            <p>A project manager imports recordings; they appear here.</p>
          )}
        </div>
      )}
      <div class="cards">
        {scenes.value?.map((scene) => (
          <SceneCard key={scene.id} scene={scene} mayDelete={mayDelete} onGone={scenes.reload} />
        ))}
      </div>
    </section>
  );
}

function SceneCard(props: {
  scene: SceneSummary;
  mayDelete: boolean;
  onGone: () => void;
}): JSX.Element {
  const { scene } = props;
  const [hasPicture, setHasPicture] = useState(true);
  const cameras = scene.sensors.filter((sensor) => sensor.kind === "camera").length;
  const lidars = scene.sensors.length - cameras;
  return (
    <article class="card">
      <a class="cover" href={`/scenes/${scene.id}`} aria-label={`Open ${scene.name}`}>
        <div class="picture">
          {hasPicture ? (
            <img
              src={`/api/scenes/${scene.id}/preview`}
              alt=""
              onError={() => setHasPicture(false)}
            />
          ) : (
            "LiDAR only"
          )}
        </div>
      </a>
      <div class="body">
        <h2>
          <a href={`/scenes/${scene.id}`}>{scene.name}</a>
        </h2>
        <p class="dim">
          {count(cameras, "camera")} · {count(lidars, "LiDAR")} ·{" "}
          {count(scene.track_count, "track")}
        </p>
        {scene.state === "arriving" ? (
          <>
            <p class="dim">
              {scene.frame_count} of {scene.expected_frames} frames are here; you can begin.
            </p>
            <progress value={scene.frame_count} max={scene.expected_frames} />
          </>
        ) : (
          <p class="dim">{count(scene.frame_count, "frame")}</p>
        )}
        <div class="row apart">
          <a class="button primary" href={`/scenes/${scene.id}`}>
            Open
          </a>
          {props.mayDelete && <DeleteScene scene={scene} onGone={props.onGone} />}
        </div>
      </div>
    </article>
  );
}

/** Two steps: a scene takes its labels with it. */
function DeleteScene(props: { scene: SceneSummary; onGone: () => void }): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState("");
  const remove = async () => {
    try {
      await api.deleteScene(props.scene.id);
      props.onGone();
    } catch (failure) {
      setError(wordsFor(failure));
    }
  };
  if (!isAsking) {
    return (
      <button type="button" class="quiet" onClick={() => setAsking(true)}>
        Delete…
      </button>
    );
  }
  return (
    <div class="stack">
      <p>
        Delete “{props.scene.name}” with its {count(props.scene.track_count, "track")} and all their
        masks? This cannot be undone.
      </p>
      <Failure words={error} />
      <div class="row">
        <button type="button" class="dangerous" onClick={remove}>
          Delete for good
        </button>
        <button type="button" onClick={() => setAsking(false)}>
          Keep
        </button>
      </div>
    </div>
  );
}
