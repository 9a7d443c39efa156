import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { count } from "@/panels/Projects";
import {
  api,
  isRunning,
  type JobSummary,
  mayManage,
  type Project,
  type SceneSummary,
} from "@/sync/api";

interface Listing {
  scenes: SceneSummary[];
  imports: JobSummary[]; // newest first
  preLabels: JobSummary[]; // newest first
}

const isGrowing = ({ scenes, imports, preLabels }: Listing): boolean =>
  scenes.some(({ state }) => state === "arriving") || [...imports, ...preLabels].some(isRunning);

export function Scenes(props: { project: Project }): JSX.Element {
  const { project } = props;
  const listing = useLoaded(() => listingOf(project.id), project.id, isGrowing);
  const mayImport = mayManage(project.role);
  const { scenes = [], imports = [], preLabels = [] } = listing.value ?? {};
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
          <SceneCard
            key={scene.id}
            scene={scene}
            preLabels={preLabels.find(({ scene_ids }) => scene_ids.includes(scene.id))}
            mayManage={mayImport}
            onChange={listing.reload}
          />
        ))}
      </div>
    </section>
  );
}

/** The imports first: of one that has just ended, the scene is then among the scenes. */
async function listingOf(project: number): Promise<Listing> {
  const [imports, preLabels] = await Promise.all([
    api.jobs(project, "import", "demo"),
    api.jobs(project, "engine"),
  ]);
  return { imports, preLabels, scenes: await api.scenes(project) };
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
  preLabels: JobSummary | undefined; // the latest
  mayManage: boolean;
  onChange: () => void;
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
          {props.mayManage && <DeleteScene scene={scene} onGone={props.onChange} />}
        </div>
        <PreLabels {...props} />
      </div>
    </article>
  );
}

/** The data engine's work on a scene: start it, see how far it is, stop it, what came of it. */
function PreLabels(props: {
  scene: SceneSummary;
  preLabels: JobSummary | undefined;
  mayManage: boolean;
  onChange: () => void;
}): JSX.Element | null {
  const { scene, preLabels: job } = props;
  const [error, setError] = useState("");
  const ask = async (what: () => Promise<unknown>) => {
    setError("");
    try {
      await what();
      props.onChange();
    } catch (failure) {
      setError(wordsFor(failure));
    }
  };
  if (job && isRunning(job)) {
    return (
      <div class="stack" role="status">
        <p class="dim">
          Pre-labelling · {job.state === "waiting" ? "waiting for a free worker" : job.message}
        </p>
        <progress
          aria-label={`Pre-labelling ${scene.name}`}
          value={job.total ? job.done : undefined}
          max={job.total || undefined}
        />
        {props.mayManage && (
          <button
            type="button"
            class="quiet"
            disabled={job.cancel_requested}
            onClick={() => ask(() => api.cancelJob(job.id))}
          >
            {job.cancel_requested ? "Stopping…" : "Stop"}
          </button>
        )}
        <Failure words={error} />
      </div>
    );
  }
  const isReady = scene.state === "ready" && props.mayManage;
  if (!job && !isReady) return null;
  return (
    <div class="stack">
      {job?.state === "done" && <p class="dim">Pre-labelled: {job.message}</p>}
      {job?.state === "failed" && <Failure words={`Pre-labelling failed: ${job.error}`} />}
      {isReady && (
        <button
          type="button"
          title="The data engine looks for everything in this drive. What people have labelled or changed stays as it is."
          onClick={() => ask(() => api.preLabel(scene.id))}
        >
          {job?.state === "done" ? "Pre-label again" : "Pre-label"}
        </button>
      )}
      <Failure words={error} />
    </div>
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
