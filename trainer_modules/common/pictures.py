"""Encoded pictures to pixels of one size, as a step of a preprocessing_fn, so that a client sends the file as it is."""

import tensorflow as tf

# At most so many pictures are decoded at the same time; each may be large.
PARALLEL = 8
# Names the result in the Transform graph: who can't run what lies before it, such as a page in a browser, does the same by itself.
MARK = "middle_square"


def decode_pictures(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """Decodes, crops and resizes pictures.

    What is cut out is the largest square in the middle, so that nothing is distorted. It is resized bilinearly, with every pixel of
    a larger picture taken into account (`antialias`); a smaller one is enlarged. Grey becomes colour. Where a picture is
    transparent, white shows through. The orientation that a camera notes in EXIF is not applied.

    Args:
        encoded: string [N], files of JPEG, PNG, BMP or GIF (of which the first picture counts).
        size: of the square, in pixels.

    Returns:
        float32 [N, size, size, 3], RGB, whole numbers in 0..255: Transform knows no uint8. The graph fails on a string that is no
        such file.
    """

    def load(content: tf.Tensor) -> tf.Tensor:
        return resized(on_white(tf.io.decode_image(content, expand_animations=False)), size)

    spec = tf.TensorSpec([size, size, 3], tf.float32)
    squares = tf.map_fn(load, tf.reshape(encoded, [-1]), fn_output_signature=spec, parallel_iterations=PARALLEL)
    return tf.identity(squares, name=MARK)


def on_white(pixels: tf.Tensor) -> tf.Tensor:
    """Colours of pixels, whatever channels they have.

    Args:
        pixels: uint8 [height, width, channels]: 1 (grey), 2 (grey and opacity), 3 (colour) or 4 (colour and opacity).

    Returns:
        float32 [height, width, 3] in 0..255.
    """
    values = tf.cast(pixels, tf.float32)
    channels = tf.shape(pixels)[2]
    colour = tf.cond(channels < 3, lambda: tf.repeat(values[..., :1], 3, axis=2), lambda: values[..., :3])

    def mixed() -> tf.Tensor:
        opacity = values[..., -1:] / 255.0
        return colour * opacity + 255.0 * (1.0 - opacity)

    return tf.ensure_shape(tf.cond(channels % 2 == 0, mixed, lambda: colour), [None, None, 3])


def resized(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """The largest square in the middle of a picture, resized.

    Args:
        pixels: float32 [height, width, 3] in 0..255.
        size: of the square, in pixels.

    Returns:
        float32 [size, size, 3], whole numbers in 0..255.
    """
    height, width = tf.unstack(tf.shape(pixels)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]
    return tf.round(tf.image.resize(square, [size, size], antialias=True))
