import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import {
  api,
  mayManage,
  type Predictors as Offer,
  type PredictorCard,
  type Project,
} from "@/sync/api";

/** What answers clicks in the project: everybody may read the cards, managers choose. */
export function Predictors(props: { project: Project }): JSX.Element {
  const { project } = props;
  const mayChoose = mayManage(project.role);
  const loaded = useLoaded(() => api.predictor(project.id), project.id, isStarting);
  const [changed, setChanged] = useState<Offer | null>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const [error, setError] = useState("");
  const offer = changed ?? loaded.value;

  const choose = async (key: string) => {
    setError("");
    setAsked(key);
    try {
      setChanged(await api.choosePredictor(project.id, key));
    } catch (failure) {
      setError(wordsFor(failure));
    }
    setAsked(null);
  };

  const cards = offer?.offered ?? [];
  // "" follows the installation, whose own card comes first.
  const current = asked ?? (offer?.chosen || cards[0]?.key);
  const isGone = offer !== null && offer.chosen !== "" && cards.length > 0 && !has(cards, offer);
  return (
    <section aria-label="Predictor" class="stack">
      <Waiting of={loaded} what="the predictors" />
      {offer && isStarting(offer) && (
        <p class="notice" role="status">
          No model worker is running yet. What it offers appears here by itself.
        </p>
      )}
      {isGone && (
        <p class="notice danger" role="alert">
          This project asks for “{offer.chosen}”, which is not installed here any more, so that
          clicks get no answer.{" "}
          {mayChoose ? "Choose another one." : "A project manager can choose another one."}
        </p>
      )}
      {cards.length > 0 && (
        <p class="dim">
          {mayChoose
            ? "What answers clicks and follows objects in this project. A change counts from the next click on; masks that are there stay."
            : "What answers clicks and follows objects in this project. A project manager chooses it."}
        </p>
      )}
      <Failure words={error} />
      {cards.map((card, place) => (
        <Choice
          key={card.key}
          card={card}
          isOwn={place === 0}
          isChosen={card.key === current}
          isDisabled={!mayChoose || asked !== null}
          onChoose={() => choose(place === 0 ? "" : card.key)}
        />
      ))}
    </section>
  );
}

const isStarting = (offer: Offer): boolean => offer.offered.length === 0;

const has = (cards: PredictorCard[], offer: Offer): boolean =>
  cards.some(({ key }) => key === offer.chosen);

function Choice(props: {
  card: PredictorCard;
  isOwn: boolean;
  isChosen: boolean;
  isDisabled: boolean;
  onChoose: () => void;
}): JSX.Element {
  const { card } = props;
  return (
    <label class={`panel choice${props.isChosen ? " chosen" : ""}`}>
      <input
        type="radio"
        name="predictor"
        checked={props.isChosen}
        disabled={props.isDisabled}
        onChange={props.onChoose}
      />
      <span class="stack">
        <span class="row">
          <strong>{card.title}</strong>
          {props.isOwn && <span class="badge">this installation's own</span>}
        </span>
        <span>{card.summary}</span>
        <Facts facts={card.facts} />
      </span>
    </label>
  );
}

function Facts({ facts }: Pick<PredictorCard, "facts">): JSX.Element | null {
  if (!facts.length) return null;
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
