"""The operations of TensorFlow that a SavedModel may have: those that only calculate, from what a request and the variables hold.

The list was made by hand: what Keras's layers, TensorFlow Transform and TensorFlow's own functions of numbers, texts and pictures are
made of. Whatever is not here is refused, also what TensorFlow says has no state: `ReadFile` has none, nor has `PyFuncStateless`.
"""

FLOW = """
    Const Placeholder PlaceholderWithDefault NoOp Identity IdentityN StopGradient PreventGradient EnsureShape Assert FakeParam
    PartitionedCall StatefulPartitionedCall If StatelessIf While StatelessWhile Case StatelessCase Switch Merge
"""

STATE = """
    VarHandleOp VarIsInitializedOp ReadVariableOp AssignVariableOp AssignAddVariableOp AssignSubVariableOp DisableCopyOnRead
    DestroyResourceOp VariableShape ResourceGather ResourceGatherNd
    HashTableV2 MutableHashTableV2 AnonymousHashTable AnonymousMutableHashTable
    LookupTableFindV2 LookupTableSizeV2 LookupTableImportV2 LookupTableExportV2 InitializeTableV2
"""

SHAPES = """
    Shape ShapeN Size Rank Reshape Squeeze ExpandDims BroadcastTo BroadcastArgs BroadcastGradientArgs Fill ZerosLike OnesLike Range
    LinSpace Pack Unpack ConcatV2 ConcatOffset Split SplitV Slice StridedSlice Tile Transpose InvertPermutation ReverseV2
    ReverseSequence Roll Pad PadV2 MirrorPad GatherV2 GatherNd ScatterNd TensorScatterAdd TensorScatterMax TensorScatterMin
    TensorScatterSub TensorScatterUpdate Where Select SelectV2 DynamicPartition DynamicStitch ParallelDynamicStitch OneHot Diag DiagPart
    MatrixDiagV3 MatrixDiagPartV3 MatrixSetDiagV3 MatrixBandPart SpaceToBatchND BatchToSpaceND SpaceToDepth DepthToSpace
    Bitcast Cast Unique UniqueV2 UniqueWithCountsV2 ListDiff TopKV2 NthElement InTopKV2 LowerBound UpperBound Bucketize
"""

NUMBERS = """
    Abs Neg Sign Square Sqrt Rsqrt Reciprocal Inv Exp Expm1 Log Log1p Pow Floor Ceil Round Rint Sin Cos Tan Asin Acos Atan Atan2 Sinh
    Cosh Tanh Asinh Acosh Atanh Erf Erfc Erfinv Ndtri Lgamma Digamma Polygamma Igamma Igammac Zeta Betainc
    Add AddV2 AddN Sub Mul MulNoNan Div DivNoNan RealDiv FloorDiv FloorMod TruncateDiv TruncateMod Mod Xdivy Xlogy Xlog1py
    SquaredDifference Maximum Minimum ClipByValue NextAfter AccumulateNV2
    Equal NotEqual ApproximateEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot IsFinite IsInf IsNan
    BitwiseAnd BitwiseOr BitwiseXor Invert LeftShift RightShift
    Sum Prod Mean Max Min All Any EuclideanNorm ArgMax ArgMin Cumsum Cumprod CumulativeLogsumexp Bincount DenseBincount HistogramFixedWidth
    SegmentSum SegmentMean SegmentMax SegmentMin SegmentProd UnsortedSegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
    MatMul BatchMatMulV2 BatchMatMulV3 Einsum Cross L2Loss Cholesky MatrixInverse MatrixSolve MatrixTriangularSolve MatrixDeterminant
    LogMatrixDeterminant MatrixSolveLs SelfAdjointEigV2 Svd Qr Complex Real Imag Conj Angle ComplexAbs FFT IFFT FFT2D IFFT2D RFFT IRFFT
    RFFT2D IRFFT2D
    StatelessRandomGetKeyCounter StatelessRandomGetAlg StatelessRandomGetKeyCounterAlg StatelessRandomUniformV2 StatelessRandomNormalV2
    StatelessRandomUniformIntV2 StatelessRandomUniformFullIntV2 StatelessTruncatedNormalV2 StatelessRandomUniform StatelessRandomNormal
    StatelessShuffle RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal RandomShuffle Multinomial StatelessMultinomial
"""

NETWORKS = """
    BiasAdd Conv Conv2D Conv3D Conv2DBackpropInput Conv3DBackpropInputV2 DepthwiseConv2dNative Dilation2D AvgPool AvgPool3D MaxPool
    MaxPoolV2 MaxPool3D MaxPoolWithArgmax FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN Relu Relu6 LeakyRelu Elu Selu Softplus
    Softsign Sigmoid Softmax LogSoftmax SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits FakeQuantWithMinMaxArgs
    FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
    LSTMBlockCell BlockLSTMV2 GRUBlockCell
    EmptyTensorList TensorListReserve TensorListFromTensor TensorListGetItem TensorListSetItem TensorListStack TensorListPushBack
    TensorListPopBack TensorListLength TensorListElementShape TensorListGather TensorListScatterV2 TensorListConcatV2 TensorListSplit
    TensorListResize
"""

TEXTS = """
    AsString StringToNumber StringJoin StringLength StringLower StringUpper StringStrip StringSplit StringSplitV2 StringFormat
    StringNGrams Substr ReduceJoin UnsortedSegmentJoin RegexReplace RegexFullMatch StaticRegexReplace StaticRegexFullMatch
    StringToHashBucket StringToHashBucketFast StringToHashBucketStrong Fingerprint EncodeBase64 DecodeBase64
    UnicodeTranscode UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript
    DecodeRaw DecodePaddedRaw DecodeCSV ParseExample ParseExampleV2 ParseSingleExample ParseSequenceExample ParseSequenceExampleV2
    SparseToDense SparseReshape SparseSlice SparseReorder SparseConcat SparseSplit SparseAdd SparseFillEmptyRows SparseReduceSum
    SparseReduceMax SparseSegmentSum SparseSegmentMean SparseSegmentSqrtN SparseSegmentSumWithNumSegments SparseTensorDenseMatMul
    SparseSegmentMeanWithNumSegments SparseSegmentSqrtNWithNumSegments SparseDenseCwiseAdd SparseDenseCwiseMul SparseDenseCwiseDiv
    SparseCross SparseCrossV2 SparseCrossHashed SparseBincount SparseCountSparseOutput DenseCountSparseOutput RaggedCountSparseOutput
    RaggedBincount RaggedRange RaggedGather RaggedCross RaggedTensorToTensor RaggedTensorToSparse RaggedTensorToVariant
    RaggedTensorFromVariant RaggedFillEmptyRows DenseToDenseSetOperation DenseToSparseSetOperation SparseToSparseSetOperation
"""

PICTURES = """
    DecodeImage DecodeJpeg DecodePng DecodeBmp DecodeGif DecodeAndCropJpeg EncodeJpeg EncodePng ExtractJpegShape ResizeBilinear
    ResizeBicubic ResizeNearestNeighbor ResizeArea ScaleAndTranslate CropAndResize ImageProjectiveTransformV2
    ImageProjectiveTransformV3 ExtractImagePatches ExtractGlimpseV2 AdjustContrastv2 AdjustHue AdjustSaturation RGBToHSV HSVToRGB
    NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 CombinedNonMaxSuppression DrawBoundingBoxesV2 DecodeWav AudioSpectrogram
    Mfcc
"""

ALLOWED = frozenset(" ".join((FLOW, STATE, SHAPES, NUMBERS, NETWORKS, TEXTS, PICTURES)).split())
