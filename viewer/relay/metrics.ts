import { STAGE_BUCKETS_US, type StageHistograms } from '../../client/stage-histograms.ts';
import { SOURCES, STATES } from '../../protocol/wire/index.ts';
import type { Encoder } from '../encode/index.ts';
import type { ClipboardDesk } from './clipboard-desk.ts';
import type { ClipboardCounts } from './clipboard-seat.ts';
import type { Hub } from './hub.ts';
import type { InputCounts } from './input-desk.ts';
import type { LatencyStage } from './latency.ts';
import type { SoundDesk } from './sound-desk.ts';
import type { ViewerInfo, ViewerTotals } from './viewer-info.ts';

/** What the metrics are made of. */
export interface MetricsSource {
  readonly hub: Hub;
  readonly viewers: readonly ViewerInfo[];
  readonly totals: ViewerTotals;
  readonly latency: StageHistograms<LatencyStage>;
  /** Viewers that left, by reason. */
  readonly departures: ReadonlyMap<string, number>;
  /** What viewers did; undefined where nobody can act on the guest. */
  readonly input: InputCounts | undefined;
  /** What passed between clipboards; undefined where they stay apart. */
  readonly clipboard: Pick<ClipboardDesk, 'counts' | 'policy' | 'isAvailable'> | undefined;
  /** Who hears the guest; undefined where it has no sound. */
  readonly sound: SoundDesk | undefined;
}

type Sample = readonly [labels: string, value: number];

/** Media type of {@link metricsText}. */
export const METRICS_TYPE: string = 'text/plain; version=0.0.4; charset=utf-8';

/** All counters as Prometheus reads them. Source: Prometheus text exposition format 0.0.4. */
export function metricsText(source: MetricsSource): string {
  const { hub, viewers, totals } = source;
  const { stats } = hub.reader;
  const { picture } = hub;
  const lines: string[] = [];
  const put = (name: string, type: string, help: string, samples: readonly Sample[]): void => {
    lines.push(`# HELP kvmfr_${name} ${help}`, `# TYPE kvmfr_${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`kvmfr_${name}${labels} ${value}`);
  };
  const gauge = (name: string, help: string, value: number): void =>
    put(name, 'gauge', help, [['', value]]);
  const counter = (name: string, help: string, value: number): void =>
    put(`${name}_total`, 'counter', help, [['', value]]);

  put('state', 'gauge', 'The state of the screen: 1 for the current one.', stateSamples(hub));
  put('source', 'gauge', 'What is shown: 1 for where it comes from.', sourceSamples(hub));
  gauge('viewers', 'Viewers attached.', viewers.length);
  gauge('viewers_visible', 'Viewers that want pictures.', viewers.filter((v) => v.visible).length);
  gauge('watching', 'Whether the guest is being watched.', hub.watching ? 1 : 0);
  gauge('picture_width_pixels', 'Width of the picture.', picture.geometry?.widthPx ?? 0);
  gauge('picture_height_pixels', 'Height of the picture.', picture.geometry?.heightPx ?? 0);
  counter('sessions', 'Publishers attached to.', stats.sessions);
  counter('frames_seen', 'Frames taken from the guest.', stats.framesSeen);
  counter('frames_skipped', 'Frames passed over for newer ones.', stats.framesSkipped);
  counter('frames_given_up', 'Frames whose rows never arrived.', stats.framesGivenUp);
  counter('picture_changes', 'Frames that changed the picture.', hub.outcomes.changed);
  counter('sent_bytes', 'Bytes of messages handed to sockets.', totals.bytesSent);
  counter('updates_sent', 'Updates handed to sockets.', totals.updatesSent);
  counter('updates_acked', 'Updates acknowledged by viewers.', totals.updatesAcked);
  counter('video_falls', 'Times a viewer fell out of its stream of video.', totals.falls);
  counter('viewer_decode_seconds', 'Decoding as told by viewers.', totals.decodeUs / 1e6);
  counter('viewer_present_seconds', 'Presenting as told by viewers.', totals.presentUs / 1e6);
  put(
    'viewers_left_total',
    'counter',
    'Viewers that left, by reason.',
    [...source.departures].map(([why, count]) => [`{reason="${why}"}`, count]),
  );
  if (source.input !== undefined)
    put(
      'input_events_total',
      'counter',
      'What viewers did: went to the guest, was of a viewer without the input, was too much.',
      Object.entries(source.input).map(([what, count]) => [`{outcome="${what}"}`, count]),
    );
  if (source.clipboard !== undefined) putClipboard(put, source.clipboard.counts);
  if (source.sound !== undefined) {
    gauge('sound_listeners', 'Viewers that hear the guest.', source.sound.listeners);
    put(
      'sound_pieces_total',
      'counter',
      'Sound: pieces of 10 ms played by the guest, messages sent, not sent for want of room, pairs of pieces not coded; of microphones: said, and not.',
      Object.entries(source.sound.counts).map(([what, count]) => [`{outcome="${what}"}`, count]),
    );
  }
  putEncoders(put, hub.coding.encoders);
  lines.push(...stageLines(source.latency));
  return `${lines.join('\n')}\n`;
}

function putClipboard(
  put: (name: string, type: string, help: string, samples: readonly Sample[]) => void,
  counts: ClipboardCounts,
): void {
  const { toGuest, fromGuest, toGuestBytes, fromGuestBytes, ignored, refused } = counts;
  const each = (to: number, from: number): readonly Sample[] => [
    ['{direction="to-guest"}', to],
    ['{direction="from-guest"}', from],
  ];
  const help = 'Contents of clipboards that passed';
  put('clipboard_transfers_total', 'counter', `${help}.`, each(toGuest, fromGuest));
  put('clipboard_bytes_total', 'counter', `${help}, in bytes.`, each(toGuestBytes, fromGuestBytes));
  put('clipboard_stopped_total', 'counter', 'What of clipboards did not pass.', [
    ['{outcome="ignored"}', ignored],
    ['{outcome="refused"}', refused],
  ]);
}

function sourceSamples(hub: Hub): readonly Sample[] {
  const shown = hub.state.source ?? 'lgmp';
  return SOURCES.map((name) => [`{source="${name}"}`, name === shown ? 1 : 0]);
}

function stateSamples(hub: Hub): readonly Sample[] {
  return STATES.map((name) => [`{state="${name}"}`, name === hub.state.state ? 1 : 0]);
}

/** Every stage as a histogram: in each bucket, those of all shorter ones too. */
function stageLines(latency: StageHistograms<LatencyStage>): readonly string[] {
  const name = 'kvmfr_stage_seconds';
  const help =
    'How long the stages of acknowledged frames took; total is from published to presented.';
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const stage of latency.stages) {
    const histogram = latency.of(stage);
    if (histogram === undefined) continue;
    let below = 0;
    for (const [index, boundUs] of STAGE_BUCKETS_US.entries()) {
      below += histogram.bucketCounts[index] ?? 0;
      lines.push(`${name}_bucket{stage="${stage}",le="${boundUs / 1e6}"} ${below}`);
    }
    lines.push(
      `${name}_bucket{stage="${stage}",le="+Inf"} ${histogram.count}`,
      `${name}_sum{stage="${stage}"} ${histogram.sumUs / 1e6}`,
      `${name}_count{stage="${stage}"} ${histogram.count}`,
    );
  }
  return lines;
}

function putEncoders(
  put: (name: string, type: string, help: string, samples: readonly Sample[]) => void,
  encoders: readonly Encoder[],
): void {
  const each = (pick: (encoder: Encoder) => number): readonly Sample[] =>
    encoders.map((encoder) => [`{encoding="${encoder.encoding}"}`, pick(encoder)]);
  const counter = (name: string, help: string, pick: (encoder: Encoder) => number): void =>
    put(`encode_${name}_total`, 'counter', help, each(pick));
  counter('updates', 'Updates that were coded.', (e) => e.stats.updates);
  counter('shared', 'Updates that were coded for another viewer already.', (e) => e.stats.shared);
  counter('raw_bytes', 'Bytes of pixels before coding.', (e) => e.stats.rawBytes);
  counter('coded_bytes', 'Bytes of messages after coding.', (e) => e.stats.codedBytes);
  counter('seconds', 'Time spent coding, over all threads.', (e) => e.stats.seconds);
}
