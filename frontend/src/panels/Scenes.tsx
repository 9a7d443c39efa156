import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { count } from "@/panels/Projects";
import { api, isRunning, type JobSummary, type Project, type SceneSummary } from "@/sync/api";

interface Listing {
  scenes: SceneSummary[];
  imports: JobSummary[]; // newest first
}

const isGrowing = ({ scenes, imports }: Listing): boolean =>
  scenes.some(({ state }) => state === "arriving") || imports.some(isRunning);

export function Scenes(props: { project: Project }): JSX.Element {
  const { project } = props;
  const listing = useLoaded(() => listingOf(project.id), project.id, isGrowing);
  const mayImport = project.role === "manager" || project.role === "admin";
  const { scenes = [], imports = [] } = listing.value ?? {};
  const listed = new Set(scenes.map(({ id }) => id));
  const coming = imports.filter(
    (job) => isRunning(job) && !job.scene_ids.some((id) => listed.has(id)),
  );
  return (
    <section aria-label="Scenes" class="stack">
      <Waiting of={listing} what="the scenes" />
      {coming.map((job) => (
        <Coming key={job.id} job={job} />
      ))}
      {listing.value && !scenes.length && !coming.length && (
        <NoScenes project={project.id} mayImport={mayImport} latest={imports[0]} />
      )}
      <div class="cards">
        {scenes.map((scene) => (
          <SceneCard key={scene.id} scene={scene} mayDelete={mayImport} onGone={listing.reload} />
        ))}
      </div>
    </section>
  );
}

/** The imports first: of one that has just ended, the scene is then among the scenes. */
async function listingOf(project: number): Promise<Listing> {
  const imports = await api.jobs(project, "import", "demo");
  return { imports, scenes: await api.scenes(project) };
}

/** A recording that is on its way and has no scene to open yet. */
function Coming({ job }: { job: JobSummary }): JSX.Element {
  const words = job.kind === "demo" ? "is being made" : "is being imported";
  return (
    <div class="notice stack" role="status">
      <p>
        <strong>{job.label}</strong> {words}. It appears here by itself.
      </p>
      <progress
        aria-label={job.label}
        value={job.total ? job.done : undefined}
        max={job.total || undefined}
      />
    </div>
  );
}

function NoScenes(props: {
  project: number;
  mayImport: boolean;
  latest: JobSummary | undefined;
}): JSX.Element {
  const { latest } = props;
  return (
    <div class="empty">
      <h2>No drive here yet</h2>
      {props.mayImport ? (
        <p>
          <a href={`/projects/${props.project}/imports`}>Import a recording</a>: a Waymo segment, or
          an archive that Masklet wrote.
        </p>
      ) : (
        <p>A project manager imports recordings; they appear here.</p>
      )}
      {latest?.state === "failed" && (
        <Failure words={`${latest.label} could not be imported: ${latest.error}`} />
      )}
    </div>
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
