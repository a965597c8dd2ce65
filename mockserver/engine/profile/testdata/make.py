# Writes the fixtures beside it with numpy, so that the reader is held against the
# writer that everybody uses. Run in this folder: python3 make.py
import io
import zipfile
import numpy as np
from numpy.lib import format as npy

axes = dict(
    prefill_isl=np.array([100, 200, 400], dtype="<i4"),
    prefill_ttft_ms=np.array([10.5, 30, 40], dtype="<f4"),
    decode_active_kv_tokens=np.array([1000, 3000], dtype="<i8"),
    decode_context_length=np.array([100.0, 200.0, 300.0], dtype="<f8"),
)
itl = np.array([[5, 6, 8], [9, 12, 18]], dtype="<f8")
np.savez("plain.npz", decode_itl=itl, **axes)
np.savez_compressed("deflated_fortran.npz", decode_itl=np.asfortranarray(itl), **axes)

with zipfile.ZipFile("version2.npz", "w") as archive:
    for key, value in dict(axes, decode_itl=itl.astype("<f4")).items():
        member = io.BytesIO()
        npy.write_array(member, value, version=(2, 0))
        archive.writestr(key + ".npy", member.getvalue())

np.savez("prefill_raw_data.npz", prefill_isl=np.array([400, 100, 200]), prefill_ttft=np.array([40.0, 10.0, 30.0]),
         prefill_thpt_per_gpu=np.array([1.0, 2.0, 3.0]))
np.savez("decode_raw_data.npz", x_kv_usage=np.array([0.2, 0.8, 0.5, 0.1]), y_context_length=np.array([1000, 1000, 1000, 3000]),
         z_itl=np.array([5.0, 11.0, 9.0, 7.0]), z_thpt_per_gpu=np.zeros(4), max_kv_tokens=np.array([99000]))
np.savez("complex.npz", prefill_isl=np.array([1 + 2j]))
