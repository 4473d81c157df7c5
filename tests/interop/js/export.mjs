// Measures with OpenTelemetry's JavaScript SDK and exports to a collector.
// Usage: node export.mjs PROTOCOL COMPRESSION TEMPORALITY SERVICE URL
//   PROTOCOL http/json, http/protobuf or grpc; COMPRESSION none or gzip; TEMPORALITY cumulative or
//   delta. Every value is recorded in two halves with an export between them, so that delta streams
//   have something to add up.
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { OTLPMetricExporter as JsonExporter,
         AggregationTemporalityPreference } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPMetricExporter as GrpcExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';

const [protocol, compression, temporality, service, url] = process.argv.slice(2);
const Exporter = { 'http/json': JsonExporter, 'http/protobuf': ProtobufExporter,
                   'grpc': GrpcExporter }[protocol];
const exporter = new Exporter({
  url,
  compression,
  temporalityPreference: temporality === 'delta' ? AggregationTemporalityPreference.DELTA
                                                 : AggregationTemporalityPreference.CUMULATIVE,
});

let failure = null;
const send = exporter.export.bind(exporter);
exporter.export = (metrics, done) => send(metrics, (result) => {
  if (result.code !== 0) failure = result.error ?? new Error('export failed');
  done(result);
});

const provider = new MeterProvider({
  resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': 'i-1',
                                     'host.name': 'test-host' }),
  views: [{ instrumentName: 'payload.size',
            aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
});
const meter = provider.getMeter('interop', '1.0.0');
const requests = meter.createCounter('http.requests', { unit: '{request}',
                                                        description: 'Requests served.' });
const inFlight = meter.createUpDownCounter('http.requests.in_flight', { unit: '{request}' });
const temperature = meter.createGauge('room.temperature', { unit: 'Cel' });
const duration = meter.createHistogram('http.request.duration', {
  unit: 's', advice: { explicitBucketBoundaries: [0.1, 0.5, 1] } });
const size = meter.createHistogram('payload.size', { unit: 'By' });
let bytes = 1_000_000;
meter.createObservableCounter('network.io', { unit: 'By' })
    .addCallback((result) => result.observe(bytes, { direction: 'receive' }));
let waiting = 9;
meter.createObservableUpDownCounter('queue.length', { unit: '{item}' })
    .addCallback((result) => result.observe(waiting, { queue: 'mail' }));
let load = 0.25;
meter.createObservableGauge('system.load', { unit: '1' })
    .addCallback((result) => result.observe(load));

requests.add(3, { method: 'GET', status: 200, cached: true });
requests.add(1, { method: 'POST', status: 500 });
inFlight.add(5);
temperature.record(19, { room: 'kitchen "A"\\B' });
size.record(0);
size.record(1000);
duration.record(0.0625);
duration.record(0.25);
await provider.forceFlush();

requests.add(4, { method: 'GET', status: 200, cached: true });
inFlight.add(-2);
temperature.record(21.5, { room: 'kitchen "A"\\B' });
size.record(3);
size.record(70_000);
duration.record(0.75);
duration.record(2);
bytes += 234_567;
waiting -= 5;
load = 1.75;
await provider.forceFlush();
await provider.shutdown();
if (failure) {
  console.error(failure);
  process.exit(1);
}
