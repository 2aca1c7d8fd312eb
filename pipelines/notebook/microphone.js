// Records the microphone in the output of a cell. Resolves to a WAV as a data URL, or to a sentence that says why not.

const COUNTED_IN_SECS = 3;

async function recordMicrophone(secs) {
  const box = document.createElement("div");
  box.innerHTML = '<button id="record">Record</button> <button id="stop" disabled>Stop</button> <span></span>';
  (document.querySelector("#output-area") || document.body).append(box);
  const [record, stop] = box.querySelectorAll("button");
  const say = (text) => { box.querySelector("span").textContent = text; };
  say(`${secs} seconds, after a count of ${COUNTED_IN_SECS}`);
  await new Promise((resolve) => { record.onclick = resolve; });
  record.disabled = true;
  try {
    // What is made for speech takes taps for noise.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    try {
      for (let left = COUNTED_IN_SECS; left > 0; left--) {
        say(`${left} …`);
        await sleep(1);
      }
      const blob = await recorded(stream, secs, stop, say);
      say("recorded");
      return await dataUrl(await wavOf(blob));
    } finally {
      stream.getTracks().forEach((track) => track.stop());
    }
  } catch (error) {
    say(`${error}`);
    return `${error}`;
  }
}

function sleep(secs) {
  return new Promise((resolve) => { setTimeout(resolve, 1000 * secs); });
}

// Returns a blob of whatever format this browser records in.
async function recorded(stream, secs, stop, say) {
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((resolve, reject) => {
    recorder.onstop = resolve;
    recorder.onerror = (event) => reject(event.error);
  });
  recorder.start();
  say("recording: tap now");
  stop.disabled = false;
  await Promise.race([sleep(secs), ended, new Promise((resolve) => { stop.onclick = resolve; })]);
  stop.disabled = true;
  if (recorder.state !== "inactive") recorder.stop();
  await ended;
  return new Blob(parts, { type: recorder.mimeType });
}

// Returns a WAV of 16 bits, its channels mixed into one.
async function wavOf(blob) {
  const context = new AudioContext();
  const sound = await context.decodeAudioData(await blob.arrayBuffer());
  await context.close();
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
  const view = new DataView(new ArrayBuffer(44 + 2 * sound.length));
  const text = (at, letters) => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * sound.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // The length of what follows of the format,
  view.setUint16(20, 1, true); // PCM,
  view.setUint16(22, 1, true); // channels,
  view.setUint32(24, sound.sampleRate, true);
  view.setUint32(28, 2 * sound.sampleRate, true); // bytes a second,
  view.setUint16(32, 2, true); // bytes a sample,
  view.setUint16(34, 16, true); // bits a sample.
  text(36, "data");
  view.setUint32(40, 2 * sound.length, true);
  for (let frame = 0; frame < sound.length; frame++) {
    const mean = channels.reduce((sum, samples) => sum + samples[frame], 0) / channels.length;
    view.setInt16(44 + 2 * frame, Math.round(32767 * Math.max(-1, Math.min(1, mean))), true);
  }
  return new Blob([view], { type: "audio/wav" });
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
